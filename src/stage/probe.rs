//! What a machine can do, found out by doing it: each [`Need`] has its effect tried on a stage of its own making, by
//! the verbs that the lessons use.

use super::{CLONE_NEWNET, CLONE_NEWNS, CLONE_NEWPID, CLONE_NEWUSER, Heard, House, Manner, Stage};
use crate::error::{Error, Result};
use crate::transcript::Event;

/// What a lesson needs of the machine, besides a stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// PID namespaces in PID namespaces, with a /proc of their own.
    NestedPid,
    /// User namespaces in user namespaces.
    NestedUser,
    /// Cables between network namespaces: veth(4).
    Veth,
    /// Firewall tables: nft(8).
    Nftables,
}

impl Need {
    /// All of them.
    pub const ALL: [Need; 4] = [Need::NestedPid, Need::NestedUser, Need::Veth, Need::Nftables];

    /// What it is, for a reader.
    pub const fn name(self) -> &'static str {
        match self {
            Need::NestedPid => "PID namespaces within each other, with a /proc of their own",
            Need::NestedUser => "user namespaces within each other",
            Need::Veth => "veth pairs between network namespaces",
            Need::Nftables => "firewall tables (nftables)",
        }
    }

    /// Tries the effect itself: that a call returned 0 says little on some machines.
    fn attempt(self, stage: &Stage) -> Result<()> {
        let actor = stage.host().start("probe")?;
        match self {
            Need::NestedPid => {
                actor.unshare(CLONE_NEWPID | CLONE_NEWNS)?;
                let first = actor.fork("probe")?;
                first.mount_private()?;
                first.mount_proc("/proc")?;
                expect(first.processes()?.len() == 1, "a new /proc shows one process")
            }
            Need::NestedUser => {
                actor.unshare(CLONE_NEWUSER | CLONE_NEWNS)?;
                actor.map_root()?;
                actor.mount_private()
            }
            Need::Veth => {
                actor.unshare(CLONE_NEWNET)?;
                let other = stage.host().start("probe")?;
                other.unshare(CLONE_NEWNET)?;
                other.add_veth("v2", "v1", &actor)?;
                actor.link_up("v1")?;
                expect(other.interfaces()?.iter().any(|row| row.name == "v2"), "a cable has two ends")
            }
            Need::Nftables => {
                actor.unshare(CLONE_NEWNET)?;
                actor.add_firewall_table("probe")?;
                expect(actor.firewall_tables()? == ["inet probe"], "a table that was made is there")
            }
        }
    }
}

fn expect(held: bool, what: &str) -> Result<()> {
    if held { Ok(()) } else { Err(Error::unexpected(what, "it is not so here")) }
}

/// Opens a stage and tries every need on it: what each came to, in the order of [`Need::ALL`].
///
/// # Errors
/// Where there is no stage on this machine.
pub fn probe() -> Result<Vec<(Need, Result<()>)>> {
    let mut house = House::open(Manner::Straight, |stage| {
        for need in Need::ALL {
            // The answers travel like any other event: as claims that held or did not.
            let result = need.attempt(stage);
            let evidence = vec![serde_json::to_string(&result).unwrap_or_default().into()];
            stage.emit(Event::Verified {
                id: String::new(),
                claim: need.name().to_owned(),
                held: result.is_ok(),
                evidence,
            });
        }
        Ok(())
    })?;
    let mut results = Vec::new();
    let listened = house.listen(|event| {
        if let (Event::Verified { evidence, .. }, Some(need)) = (event, Need::ALL.get(results.len())) {
            let result = evidence.first().and_then(|answer| serde_json::from_str(&answer.to_string()).ok());
            let lost = || Err(Error::unexpected(need.name(), "its result was lost"));
            results.push((*need, result.unwrap_or_else(lost)));
        }
        Ok(())
    });
    match listened.map_err(|why| Error::unexpected("trying what this machine can do", why))? {
        Heard::Done(Err(error)) => Err(error),
        _ => Ok(results),
    }
}

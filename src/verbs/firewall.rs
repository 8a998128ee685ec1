//! Firewall rules: nft(8).

use crate::actors::Actor;
use crate::args;
use crate::error::{CallResult, Result};
use crate::observe::netlink::{MESSAGE, message};
use crate::observe::{Rule, firewall};
use crate::stage::Stage;
use crate::transcript::{CLONE_NEWNET, Look};

impl Actor {
    /// The firewall rules of the actor's network namespace.
    ///
    /// # Errors
    /// `EPROTONOSUPPORT` and the like where the kernel has no nftables.
    pub(crate) fn firewall_rules(&self) -> Result<Vec<Rule>> {
        self.run((), |_, ()| firewall::rules().or_refused(MESSAGE, message("NFT_MSG_GETRULE")))
    }

    /// Makes a firewall table with a rule by which packets that go from one network to another are dropped.
    ///
    /// # Errors
    /// `EPROTONOSUPPORT` and the like where the kernel has no nftables; `EPERM` without CAP_NET_ADMIN.
    pub(crate) fn drop_forwarded(&self, table: &str) -> Result<()> {
        self.change(CLONE_NEWNET, MESSAGE, table.to_owned(), |me, table| {
            let says = format!("NFT_MSG_NEWTABLE inet {table}, NFT_MSG_NEWCHAIN forward, NFT_MSG_NEWRULE drop");
            me.messaged(says, firewall::drop_forwarded(&table))
        })
    }
}

impl Stage {
    /// Shows the firewall rules that an actor sees, and returns them.
    ///
    /// # Errors
    /// As [`Actor::firewall_rules`].
    pub(crate) fn nftables_rules(&self, actor: &Actor) -> Result<Vec<Rule>> {
        let rules = actor.firewall_rules()?;
        let row = |rule: &Rule| args![&rule.table, &rule.chain, if rule.drops { "drop" } else { "other" }];
        let rows = rules.iter().map(row).collect();
        let look = Look::table("firewall_rules", "firewall rules", &["table", "chain", "verdict"], rows);
        self.show(actor, look.printed(rules.iter().map(|rule| args![rule.to_string()]).collect()));
        Ok(rules)
    }
}

//! A packet crosses a cable: veth(4).

use std::net::Ipv4Addr;

use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL};
use nix::errno::Errno;
use nix::sys::prctl;
use nix::sys::signal::Signal;
use nix::sys::wait::waitpid;

use super::{A_SECOND, change, into_new};
use crate::actors::Channel;
use crate::args;
use crate::error::{About, CallResult, Error, Result, retried};
use crate::observe::links;
use crate::observe::netlink::{MESSAGE, message};
use crate::sys::{self, Forked};
use crate::transcript::{CLONE_NEWNET, LinkKind, Object};
use crate::verbs::{address, ping, up, veth, wait_for_link};

const NEW: u16 = NLM_F_CREATE | NLM_F_EXCL;

/// The two ends: their names, and the addresses that they get.
const HERE: (&str, Ipv4Addr) = ("v1", Ipv4Addr::new(10, 1, 1, 1));
const THERE: (&str, Ipv4Addr) = ("v2", Ipv4Addr::new(10, 1, 1, 2));

/// Makes a cable from here to a new network namespace, and sends an echo request over it.
pub(super) fn send() -> Result<()> {
    let (ours, theirs) = Channel::pair().or_refused("socketpair", args!["AF_UNIX"])?;
    match sys::clone3(0).or_refused("clone3", args!["flags=0"])? {
        Forked::Child => {
            drop(ours);
            let _ = prctl::set_pdeathsig(Signal::SIGKILL);
            live_at_the_other_end(&theirs);
            sys::exit(0)
        }
        Forked::Parent(pid) => {
            drop(theirs);
            let crossed = cross(&ours, pid.as_raw());
            // The other one ends when this is gone.
            drop(ours);
            let _ = retried(|| waitpid(pid, None));
            crossed
        }
    }
}

fn cross(other: &Channel, pid: i32) -> Result<()> {
    hear(other)?;
    let (from, to) = (HERE.0, THERE.0);
    change(&format!("RTM_NEWLINK {from} type veth peer {to}"), veth(from, to, pid), NEW)
        .about(Object::Link(LinkKind::Veth))?;
    set_up(HERE)?;
    say(other, &Ok(()));
    hear(other)?;
    wait_for_link(HERE.0, Some("UP"))?;
    ping(THERE.1, A_SECOND).map(drop)
}

/// The life of the process in the new network namespace.
fn live_at_the_other_end(other: &Channel) {
    let moved = into_new(CLONE_NEWNET);
    say(other, &moved);
    // Its end of the cable is here once something is heard.
    if moved.is_ok() && hear(other).is_ok() {
        say(other, &set_up(THERE).and_then(|()| wait_for_link(THERE.0, Some("UP"))));
        let _ = hear(other);
    }
}

fn set_up((name, own): (&str, Ipv4Addr)) -> Result<()> {
    let rows = links::interfaces().or_refused(MESSAGE, message("RTM_GETLINK"))?;
    let index = rows.iter().find(|row| row.name == name).map(|row| row.index);
    let index = index.ok_or(Errno::ENODEV).or_refused(MESSAGE, message(format!("RTM_GETLINK {name}")))?;
    change(&format!("RTM_NEWADDR {name} {own}/24"), address(index, own, 24), NEW)?;
    change(&format!("RTM_SETLINK {name} up"), up(name), 0)
}

fn say(other: &Channel, result: &Result<()>) {
    // Where the other one is gone, nobody wants to know any more.
    let _ = other.send(&serde_json::to_vec(result).unwrap_or_default(), None);
}

fn hear(other: &Channel) -> Result<()> {
    let packet = other.receive().or_lost("recvmsg", args!["the other end"])?;
    let lost = || Error::unexpected("the other end of a cable", "its process has ended");
    serde_json::from_slice::<Result<()>>(&packet.ok_or_else(lost)?.bytes).map_err(|_| lost())?
}

use nix::errno::Errno;
use nix::unistd::geteuid;
use syscalls::Sysno;

use super::*;

const MUTATIONS: &[Mutation] = &[
    Mutation {
        facts: &["net-fresh-lo-down", "net-lo-up", "net-same-port", "net-own-everything", "net-abstract-unix"],
        how: "there is one network namespace, and unshare(2) says 0 all the same",
        watched: &[Sysno::unshare],
        judge: || judge(|call| asks_for(call, 0, libc::CLONE_NEWNET), PRETEND),
    },
    Mutation {
        facts: &["net-fresh-lo-down"],
        how: "there is one network namespace, and its lo is down",
        watched: &[Sysno::unshare, Sysno::sendto],
        judge: || {
            Box::new(|call| match call.sysno {
                Sysno::unshare => asks_for(call, 0, libc::CLONE_NEWNET).then_some(PRETEND),
                // The flags of the interface, and which of them are meant.
                _ => (by(call) == "init" && asks(call) == Some(RTM_SETLINK))
                    .then(|| call.write(call.args[1] + 24, &[0; 8]))
                    .and_then(|written| written.then_some(Verdict::Continue)),
            })
        },
    },
    Mutation {
        facts: &["net-own-everything"],
        how: "what listens is in nobody's list",
        watched: &[Sysno::sendto],
        judge: || {
            // The states that are asked for: those that are connected.
            Box::new(|call| asks_for_another(call, SOCK_DIAG_BY_FAMILY, 20, &2_u32.to_ne_bytes()))
        },
    },
    Mutation {
        facts: &["net-own-everything"],
        how: "no firewall rule is in force",
        watched: &[Sysno::sendto],
        // The family that is asked for: that of ARP.
        judge: || Box::new(|call| asks_for_another(call, NFT_MSG_GETRULE, 16, &[3])),
    },
    Mutation {
        facts: &["net-own-everything"],
        how: "the host has each route that web1 adds",
        watched: &[Sysno::sendto],
        judge: || {
            Box::new(|call| {
                (by(call) == "web1" && asks(call) == Some(RTM_NEWROUTE))
                    .then(|| in_the_network_of(parent(call), "ip route add 10.9.9.0/24 dev lo"))
            })
        },
    },
    Mutation {
        facts: &["net-own-everything"],
        how: "whoever sets up lo in one network namespace sets it up in all",
        watched: &[Sysno::bind],
        judge: || {
            Box::new(|call| makes(call, "web2", Sysno::bind).then(|| in_the_network_of(call.pid, "ip link set lo up")))
        },
    },
    Mutation {
        facts: &["net-lo-up"],
        how: "what is connected to is not asked whether it is there",
        watched: &[Sysno::connect],
        judge: || judge(|call| makes(call, "web1", Sysno::connect), PRETEND),
    },
    Mutation {
        facts: &["net-same-port"],
        how: "a port has one listener on the whole machine",
        watched: &[Sysno::bind],
        judge: || judge(|call| makes(call, "web2", Sysno::bind), refuse(Errno::EADDRINUSE)),
    },
    Mutation {
        facts: &["net-veth"],
        how: "nothing crosses the cable, and somebody else's reply is there",
        watched: &[Sysno::sendto, Sysno::recvfrom],
        judge: || {
            let mut replied = false;
            Box::new(move |call| match call.sysno {
                _ if by(call) != "web1" || !is_ping(call) => None,
                Sysno::sendto => Some(Verdict::Return(i64::try_from(call.args[2]).unwrap())),
                _ if std::mem::replace(&mut replied, true) => None,
                _ => answers_another_ping(call),
            })
        },
    },
    Mutation {
        facts: &["net-interface-one-place"],
        how: "an interface stays where it is",
        watched: &[Sysno::sendto],
        judge: || {
            Box::new(|call| {
                // The attribute that says where to: its length, its type, and a process number, which becomes 1.
                let bytes = call.read(call.args[1], usize::try_from(call.args[2]).unwrap()).unwrap_or_default();
                let place = bytes.windows(4).position(|window| window == [8, 0, 19, 0]);
                let place = place.filter(|_| by(call) == "init")?;
                call.write(call.args[1] + place as u64 + 4, &1_u32.to_ne_bytes()).then_some(Verdict::Continue)
            })
        },
    },
    Mutation {
        facts: &["net-lo-immovable"],
        how: "the loopback is not even looked for",
        watched: &[Sysno::sendto],
        judge: || {
            Box::new(|call| {
                let length = usize::try_from(call.args[2]).unwrap();
                let web2 = by(call) == "web2" && call.replace(call.args[1], length, b"\x03\0lo\0", b"\x03\0l9\0") > 0;
                web2.then_some(Verdict::Continue)
            })
        },
    },
    Mutation {
        facts: &["net-abstract-unix"],
        how: "an abstract name is found everywhere",
        watched: &[Sysno::connect],
        judge: || judge(|call| makes(call, "web1", Sysno::connect) && is_abstract(call), PRETEND),
    },
    Mutation {
        facts: &["net-abstract-unix"],
        how: "an abstract name is found nowhere",
        watched: &[Sysno::connect],
        judge: || judge(is_abstract, refuse(Errno::ECONNREFUSED)),
    },
    Mutation {
        facts: &["net-host-shared"],
        how: "whoever shares nothing else has a network of its own",
        watched: &[Sysno::readlink],
        judge: || {
            Box::new(|call| {
                let path = call.read_string(call.args[0]).unwrap_or_default();
                let others = path.ends_with("/ns/net") && !path.starts_with("/proc/1/") && by(call) == "init";
                if others { answers_link(call, "net") } else { None }
            })
        },
    },
    Mutation {
        facts: &["net-veth-dies"],
        how: "nobody can end the namespace's last process",
        watched: &[Sysno::kill],
        judge: || judge(|call| makes(call, "init", Sysno::kill), refuse(Errno::EPERM)),
    },
];

const RTM_SETLINK: u16 = 19;
const SOCK_DIAG_BY_FAMILY: u16 = 20;
const RTM_NEWROUTE: u16 = 24;
const NFT_MSG_GETRULE: u16 = 10 << 8 | 7;

/// The type of the message that is sent over a netlink socket.
fn asks(call: &Call<'_>) -> Option<u16> {
    let kind = call.read(call.args[1] + 4, 2).filter(|_| is_netlink(call))?;
    Some(u16::from_ne_bytes([kind[0], kind[1]]))
}

/// Lets web1 ask for something else by a message of this type.
fn asks_for_another(call: &Call<'_>, kind: u16, place: u64, bytes: &[u8]) -> Option<Verdict> {
    let web1 = by(call) == "web1" && asks(call) == Some(kind);
    (web1 && call.write(call.args[1] + place, bytes)).then_some(Verdict::Continue)
}

fn parent(call: &Call<'_>) -> i32 {
    let status = crate::support::read_text(format!("/proc/{}/status", call.pid)).unwrap_or_default();
    let parent = status.lines().find_map(|line| line.strip_prefix("PPid:"));
    parent.and_then(|parent| parent.trim().parse().ok()).unwrap_or_default()
}

/// Runs a command in the network namespace of a process. A plain user may do that in the user namespace which owns it, and
/// is root there; root of the machine may do it anywhere, and is nobody there.
fn in_the_network_of(pid: i32, command: &str) -> Verdict {
    let target = pid.to_string();
    let own: &[&str] = if geteuid().is_root() { &[] } else { &["--user", "--preserve-credentials"] };
    let done = std::process::Command::new("nsenter")
        .args(["--target", &target, "--net"])
        .args(own)
        .args(command.split(' '))
        .status()
        .unwrap();
    assert!(done.success(), "{command}");
    Verdict::Continue
}

/// Whether it goes over a raw socket: those of netlink have an address.
fn is_ping(call: &Call<'_>) -> bool {
    call.read(call.args[1], 2).is_some() && call.fd_target(call.args[0]).is_some() && !is_netlink(call)
}

fn is_netlink(call: &Call<'_>) -> bool {
    let inode = call.fd_target(call.args[0]).map(|target| target.to_string_lossy().into_owned()).unwrap_or_default();
    let inode = inode.trim_start_matches("socket:[").trim_end_matches(']').to_owned();
    let table = crate::support::read_text(format!("/proc/{}/net/netlink", call.pid)).unwrap_or_default();
    table.lines().any(|line| line.split_whitespace().last() == Some(inode.as_str()))
}

/// An echo reply of somebody else's, to a request that nobody has sent: an IPv4 header, and the ICMP message.
fn answers_another_ping(call: &Call<'_>) -> Option<Verdict> {
    const REPLY: [u8; 84] = {
        let mut reply = [0; 84];
        reply[0] = 0x45;
        reply[8] = 64;
        reply[9] = 1;
        reply[12] = 10;
        reply[15] = 9;
        reply[27] = 99;
        reply
    };
    call.write(call.args[1], &REPLY).then_some(Verdict::Return(REPLY.len() as i64))
}

/// Whether connect(2) is about an abstract name: its first byte is 0, and another one follows.
fn is_abstract(call: &Call<'_>) -> bool {
    let unix = u16::try_from(libc::AF_UNIX).unwrap().to_ne_bytes();
    let address = call.read(call.args[1], 4).unwrap_or_default();
    address.starts_with(&unix) && address[2] == 0 && address[3] != 0
}

#[test]
fn every_fact_can_be_seen_to_fail() {
    every_fact_of_it_can_be_seen_to_fail("net", MUTATIONS);
}

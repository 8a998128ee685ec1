//! How each feature is tried. The caller is root of a user namespace, in a process that is there for nothing else.

use std::fs::{self, File};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::fd::AsFd;

use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL};
use netlink_packet_route::RouteNetlinkMessage;
use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, setns, unshare};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::wait::waitpid;
use nix::time::{ClockId, clock_gettime};
use nix::unistd::{chdir, chroot, gethostname, getpid, pipe2, read, sethostname};
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use crate::args;
use crate::error::{CallResult, Error, Result, retried};
use crate::feature::Feature;
use crate::observe::netlink::Netlink;
use crate::observe::{firewall, links, namespaces, processes, sockets};
use crate::sandbox::{in_a_child, map_root, rootfs};
use crate::sys::{self, Forked};
use crate::transcript::{
    CLONE_NEWIPC, CLONE_NEWNET, CLONE_NEWNS, CLONE_NEWPID, CLONE_NEWTIME, CLONE_NEWUSER, CLONE_NEWUTS, Flags,
    NamespaceType, Value,
};
use crate::verbs::{bridge, echo, up, veth};

/// A directory that is there wherever a user namespace gets its ids. It is covered only in the mount namespace of an attempt.
const WORKBENCH: &str = "/proc";

/// Tries a feature here and now.
pub(super) fn attempt(feature: Feature) -> Result<()> {
    match feature {
        // The caller is root of a user namespace, so these have come about.
        Feature::User | Feature::Setgroups | Feature::Maps => expect(nix::unistd::geteuid().is_root(), feature),
        Feature::Mnt => moved(NamespaceType::Mnt),
        Feature::Uts => moved(NamespaceType::Uts),
        Feature::Ipc => moved(NamespaceType::Ipc),
        Feature::Net => moved(NamespaceType::Net),
        Feature::Cgroup => moved(NamespaceType::Cgroup),
        Feature::Pid => {
            into_new(CLONE_NEWPID)?;
            in_a_child(|| expect(getpid().as_raw() == 1, feature))
        }
        Feature::Time => into_new(CLONE_NEWTIME),
        Feature::TimeOffsets => clocks(),
        Feature::MountSetattr | Feature::Tmpfs | Feature::Sysfs | Feature::Mqueue | Feature::PivotRoot => {
            mounts(feature)
        }
        Feature::Proc => {
            into_new(CLONE_NEWNS | CLONE_NEWPID)?;
            in_a_child(|| {
                rootfs::make_private()?;
                rootfs::mount_proc("/proc")?;
                let listed = processes::list().or_refused("open", args!["/proc"])?;
                expect(listed.len() == 1, feature)
            })
        }
        Feature::Chroot => {
            chroot(WORKBENCH).or_refused("chroot", args![WORKBENCH])?;
            expect(!fs::exists("/proc/self").unwrap_or(true), feature)
        }
        Feature::Notify => notify(),
        Feature::Sethostname => {
            into_new(CLONE_NEWUTS)?;
            sethostname("probe").or_refused("sethostname", args!["probe"])?;
            expect(gethostname().is_ok_and(|name| name == "probe"), feature)
        }
        Feature::Setns => join(),
        Feature::Loopback | Feature::Ping | Feature::SockDiag | Feature::Veth | Feature::Bridge | Feature::Nftables => {
            into_new(CLONE_NEWNET)?;
            network(feature)
        }
        Feature::NestedUser => {
            into_new(CLONE_NEWUSER)?;
            map_root()?;
            chroot(WORKBENCH).or_refused("chroot", args![WORKBENCH])
        }
        Feature::NestedPid => nest(),
        Feature::Several => several(),
    }
}

fn expect(held: bool, feature: Feature) -> Result<()> {
    if held { Ok(()) } else { Err(Error::unexpected(feature.title(), "the calls returned 0, and nothing came of it")) }
}

/// Makes namespaces, one type after the other, so that a refusal says of which.
fn into_new(flags: Flags) -> Result<()> {
    flags
        .types()
        .map(Flags::from)
        .try_for_each(|flag| unshare(CloneFlags::from_bits_retain(flag.bits())).or_refused("unshare", args![flag]))
}

/// Makes a namespace, and sees that it is another one.
fn moved(of: NamespaceType) -> Result<()> {
    let file = format!("self/ns/{of}");
    let link = || namespaces::read(&file, of).or_refused("open", args![format!("/proc/{file}")]);
    let before = link()?;
    into_new(of.into())?;
    if link()? == before {
        return Err(Error::unexpected(format!("unshare({of})"), "the namespace is the same as before"));
    }
    Ok(())
}

fn mounts(feature: Feature) -> Result<()> {
    let other = match feature {
        Feature::Sysfs => CLONE_NEWNET,
        Feature::Mqueue => CLONE_NEWIPC,
        _ => Flags::default(),
    };
    into_new(CLONE_NEWNS | other)?;
    rootfs::make_private()?;
    let none = None::<&str>;
    match feature {
        Feature::MountSetattr => {
            rootfs::bind_read_only()?;
            match File::create("new").or_refused("open", args!["new"]) {
                Err(error) if error.errno() == Some(Errno::EROFS) => Ok(()),
                answer => answer.and(expect(false, feature)),
            }
        }
        Feature::Tmpfs => {
            rootfs::mount_tmpfs(WORKBENCH, "mode=755")?;
            let new = fs::write(format!("{WORKBENCH}/new"), "");
            new.or_refused("open", args![WORKBENCH])
        }
        Feature::Sysfs => {
            mount(Some("sysfs"), "/sys", Some("sysfs"), MsFlags::empty(), none).or_refused("mount", args!["sysfs"])?;
            let shown = fs::read_dir("/sys/class/net").or_refused("open", args!["/sys/class/net"])?;
            let rows = links::interfaces().or_refused("rtnetlink", args!["RTM_GETLINK"])?;
            expect(rows.len() == shown.count(), feature)
        }
        Feature::Mqueue => {
            mount(Some("mqueue"), WORKBENCH, Some("mqueue"), MsFlags::empty(), none)
                .or_refused("mount", args!["mqueue"])?;
            let new = File::create(format!("{WORKBENCH}/new")).map(drop);
            new.or_refused("open", args![WORKBENCH])
        }
        _ => {
            rootfs::mount_tmpfs(WORKBENCH, "mode=755")?;
            chdir(WORKBENCH).or_refused("chdir", args![WORKBENCH])?;
            rootfs::make_root()?;
            let entries = fs::read_dir("/").or_refused("open", args!["/"])?;
            expect(entries.count() == 0, feature)
        }
    }
}

/// A file is written to, and the kernel says so.
fn notify() -> Result<()> {
    into_new(CLONE_NEWNS)?;
    rootfs::make_private()?;
    rootfs::mount_tmpfs(WORKBENCH, "mode=755")?;
    let directory = File::open(WORKBENCH).or_refused("open", args![WORKBENCH])?;
    let written = SigSet::from(Signal::SIGIO);
    written.thread_block().or_refused("sigprocmask", args![])?;
    sys::notify_of_writes(directory.as_fd()).or_refused("fcntl", args!["F_NOTIFY"])?;
    let new = fs::write(format!("{WORKBENCH}/new"), "x");
    new.or_refused("write", args![WORKBENCH])?;
    written.wait().or_refused("sigwait", args![]).map(drop)
}

/// A child moves out, and comes back by way of its parent's pidfd. Where there can be no namespace more, it is there already.
fn join() -> Result<()> {
    // Not in the machine's own, which nobody may join who is not root of the machine.
    let moved = into_new(CLONE_NEWUTS);
    let parent = Pid::from_raw(getpid().as_raw()).ok_or(rustix::io::Errno::SRCH);
    let pidfd = parent.and_then(|pid| pidfd_open(pid, PidfdFlags::empty()));
    let pidfd = pidfd.or_refused("pidfd_open", args![])?;
    let own = || namespaces::of("self").or_refused("open", args!["/proc/self/ns"]);
    let home = own()?;
    let joined = in_a_child(|| {
        let _ = into_new(CLONE_NEWUTS);
        setns(&pidfd, CloneFlags::CLONE_NEWUTS).or_refused("setns", args!["pidfd", CLONE_NEWUTS])?;
        expect(own()? == home, Feature::Setns)
    });
    joined.or_else(|error| moved.and(Err(error)))
}

/// A day later, to the children.
fn clocks() -> Result<()> {
    const DAY: i64 = 86_400;
    into_new(CLONE_NEWTIME)?;
    let file = "/proc/self/timens_offsets";
    let written = fs::write(file, format!("monotonic {DAY} 0\n"));
    written.or_refused("write", args![file])?;
    let now = || {
        clock_gettime(ClockId::CLOCK_MONOTONIC)
            .or_refused("clock_gettime", args!["CLOCK_MONOTONIC"])
            .map(|now| now.tv_sec())
    };
    let before = now()?;
    in_a_child(|| expect(now()? >= before + DAY, Feature::TimeOffsets))
}

fn network(feature: Feature) -> Result<()> {
    let change = |args: Vec<Value>, request: RouteNetlinkMessage, flags: u16| {
        let changed = Netlink::open().and_then(|netlink| netlink.change(request, flags));
        changed.or_refused("rtnetlink", args)
    };
    let there = |name: &str| {
        let rows = links::interfaces().or_refused("rtnetlink", args!["RTM_GETLINK"])?;
        Ok(rows.iter().any(|row| row.name == name))
    };
    let new = NLM_F_CREATE | NLM_F_EXCL;
    match feature {
        Feature::Loopback => {
            change(args!["RTM_SETLINK", "lo"], up("lo"), 0)?;
            match TcpStream::connect((Ipv4Addr::LOCALHOST, 80)).or_refused("connect", args!["127.0.0.1:80"]) {
                Err(error) if error.errno() == Some(Errno::ECONNREFUSED) => Ok(()),
                answer => answer.and(expect(false, feature)),
            }
        }
        Feature::Ping => {
            change(args!["RTM_SETLINK", "lo"], up("lo"), 0)?;
            echo(Ipv4Addr::LOCALHOST).or_refused("ping", args!["127.0.0.1"]).map(drop)
        }
        Feature::SockDiag => {
            let _listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 80)).or_refused("bind", args!["80"])?;
            let listed = sockets::listeners().or_refused("sock_diag", args!["TCP_LISTEN"])?;
            expect(listed.len() == 1, feature)
        }
        Feature::Veth => {
            change(args!["RTM_NEWLINK", "veth"], veth("v1", "v2", getpid().as_raw()), new)?;
            expect(there("v1")? && there("v2")?, feature)
        }
        Feature::Bridge => {
            change(args!["RTM_NEWLINK", "bridge"], bridge("br0"), new)?;
            expect(there("br0")?, feature)
        }
        _ => {
            firewall::add_table("probe").or_refused("nfnetlink", args!["NFT_MSG_NEWTABLE"])?;
            let tables = firewall::tables().or_refused("nfnetlink", args!["NFT_MSG_GETTABLE"])?;
            expect(tables == ["inet probe"], feature)
        }
    }
}

/// As deep as the lesson on PID namespaces goes.
fn nest() -> Result<()> {
    /// Below the stage, which is one level itself.
    const LEVELS: usize = 31;
    let (made, refused) = sys::nest_pid_namespaces().or_refused("clone", args![CLONE_NEWPID])?;
    if made >= LEVELS && refused == Errno::ENOSPC {
        return Ok(());
    }
    Err(refused).or_refused("clone", args![CLONE_NEWPID, format!("{made} levels down")])
}

/// As many processes and namespaces as a lesson has, besides the stage's own.
fn several() -> Result<()> {
    const PROCESSES: usize = 6;
    const NAMESPACES: usize = 3;
    let (hold, held) = pipe2(OFlag::O_CLOEXEC).or_refused("pipe2", args![])?;
    let mut children = Vec::new();
    for _ in 0..PROCESSES {
        match sys::clone3(0).or_refused("fork", args![])? {
            Forked::Child => {
                drop(held);
                // Until the parent lets go of the other end, or is gone.
                let _ = retried(|| read(&hold, &mut [0]));
                sys::exit(0)
            }
            Forked::Parent(pid) => children.push(pid),
        }
    }
    let types = [(CLONE_NEWNS, "mnt"), (CLONE_NEWUTS, "uts"), (CLONE_NEWIPC, "ipc"), (CLONE_NEWNET, "net")];
    // An open file keeps a namespace.
    let mut kept = Vec::new();
    for (flag, file) in types.into_iter().cycle().take(NAMESPACES * types.len()) {
        into_new(flag)?;
        let file = format!("/proc/self/ns/{file}");
        kept.push(File::open(&file).or_refused("open", args![&file])?);
    }
    drop(held);
    for child in children {
        let _ = retried(|| waitpid(child, None));
    }
    Ok(())
}

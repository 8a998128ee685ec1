//! How each feature is tried. The caller is root of a user namespace, in a process that is there for nothing else.

mod cable;

use std::fs::{self, File};
use std::io::Write;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::fd::AsFd;

use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL};
use netlink_packet_route::RouteNetlinkMessage;
use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::mount::{MsFlags, mount};
use nix::poll::poll;
use nix::sched::{CloneFlags, setns, unshare};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::wait::waitpid;
use nix::time::{ClockId, clock_gettime};
use nix::unistd::{chdir, chroot, gethostname, getpid, pipe2, read, sethostname};
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use crate::args;
use crate::error::{About, CallResult, Error, Result, retried};
use crate::feature::Feature;
use crate::observe::netlink::{MESSAGE, Netlink, message};
use crate::observe::{firewall, links, namespaces, processes, sockets};
use crate::sandbox::{in_a_child, map_root, rootfs};
use crate::sys::{self, Forked, Nested};
use crate::transcript::{
    CLONE_NEWIPC, CLONE_NEWNET, CLONE_NEWNS, CLONE_NEWPID, CLONE_NEWTIME, CLONE_NEWUSER, CLONE_NEWUTS, FileSystem,
    Flags, LinkKind, NamespaceType, NetlinkPart, Object,
};
use crate::verbs::{bridge, ping, up};

/// A directory that is there wherever a user namespace gets its ids. It is covered only in the mount namespace of an attempt.
const WORKBENCH: &str = "/proc";

/// How long an answer may take that comes at once, if it comes: in seconds.
const A_SECOND: i64 = 1;

/// How often a network namespace is tried where there is none more to be had, and after which pause.
const TRIES: u32 = 30;
const A_MOMENT: u8 = 10;

/// Tries a feature here and now. The caller is in a network namespace of its own, if it has come to one.
pub(super) fn attempt(feature: Feature, network: &Result<()>) -> Result<()> {
    if feature.is_of_a_network() {
        network.clone()?;
    }
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
        Feature::Files => write_a_byte(),
        Feature::Notify => notify(),
        Feature::Sethostname => {
            into_new(CLONE_NEWUTS)?;
            sethostname("probe").or_refused("sethostname", args!["probe"])?;
            expect(gethostname().is_ok_and(|name| name == "probe"), feature)
        }
        Feature::Setns => join(),
        Feature::Loopback | Feature::Ping | Feature::SockDiag | Feature::Veth | Feature::Bridge | Feature::Nftables => {
            in_a_network(feature)
        }
        Feature::NestedUser => {
            into_new(CLONE_NEWUSER)?;
            map_root()?;
            expect(nix::unistd::geteuid().is_root(), feature)
        }
        Feature::NestedPid => nest(),
        Feature::Several => several(),
    }
}

fn expect(held: bool, feature: Feature) -> Result<()> {
    if held { Ok(()) } else { Err(Error::unexpected(feature.title(), "the calls returned 0, and nothing came of it")) }
}

/// Makes namespaces, one type after the other, so that a refusal says of which.
pub(super) fn into_new(flags: Flags) -> Result<()> {
    flags.types().map(Flags::from).try_for_each(|flag| {
        let mut tries = if flag == CLONE_NEWNET { TRIES } else { 1 };
        loop {
            tries -= 1;
            match unshare(CloneFlags::from_bits_retain(flag.bits())) {
                // The kernel takes a network namespace down in its own time, and gives no notice of it: those of the trials
                // before count for some 40 ms more.
                Err(Errno::ENOSPC) if tries > 0 => drop(poll(&mut [], A_MOMENT)),
                made => return made.or_refused("unshare", args![flag]),
            }
        }
    })
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
    let other = if feature == Feature::Mqueue { CLONE_NEWIPC } else { Flags::default() };
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
            let file = format!("{WORKBENCH}/new");
            File::create(&file).map(drop).or_refused("open", args![file])
        }
        Feature::Sysfs => {
            let mounted = mount(Some("sysfs"), "/sys", Some("sysfs"), MsFlags::empty(), none);
            mounted.or_refused("mount", args!["sysfs"]).about(Object::FileSystem(FileSystem::Sysfs))?;
            let shown = fs::read_dir("/sys/class/net").or_refused("open", args!["/sys/class/net"])?;
            let rows = links::interfaces().or_refused(MESSAGE, message("RTM_GETLINK"))?;
            expect(rows.len() == shown.count(), feature)
        }
        Feature::Mqueue => {
            let mounted = mount(Some("mqueue"), WORKBENCH, Some("mqueue"), MsFlags::empty(), none);
            mounted.or_refused("mount", args!["mqueue"]).about(Object::FileSystem(FileSystem::Mqueue))?;
            let queue = format!("{WORKBENCH}/new");
            let new = File::create(&queue).map(drop).or_refused("open", args![queue]);
            new.about(Object::FileSystem(FileSystem::Mqueue))
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

/// A file in memory is one as well, and lies in no directory.
fn write_a_byte() -> Result<()> {
    let file = memfd_create("probe", MFdFlags::MFD_CLOEXEC).or_refused("memfd_create", args![])?;
    File::from(file).write_all(b"x").or_refused("write", args!["a file in memory"])
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
    let file = format!("{WORKBENCH}/new");
    fs::write(&file, "x").or_refused("write", args![file])?;
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

fn in_a_network(feature: Feature) -> Result<()> {
    match feature {
        Feature::Loopback => {
            change("RTM_SETLINK lo up", up("lo"), 0)?;
            match TcpStream::connect((Ipv4Addr::LOCALHOST, 80)).or_refused("connect", args!["127.0.0.1:80"]) {
                Err(error) if error.errno() == Some(Errno::ECONNREFUSED) => Ok(()),
                answer => answer.and(expect(false, feature)),
            }
        }
        Feature::Ping => {
            change("RTM_SETLINK lo up", up("lo"), 0)?;
            ping(Ipv4Addr::LOCALHOST, A_SECOND).map(drop)
        }
        Feature::SockDiag => {
            let _listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 80)).or_refused("bind", args!["80"])?;
            let listed = sockets::listeners().or_refused(MESSAGE, message("SOCK_DIAG_BY_FAMILY TCP_LISTEN"))?;
            expect(listed.len() == 1, feature)
        }
        Feature::Veth => cable::send(),
        Feature::Bridge => {
            let made = change("RTM_NEWLINK br0 type bridge", bridge("br0"), NLM_F_CREATE | NLM_F_EXCL);
            made.about(Object::Link(LinkKind::Bridge))?;
            let rows = links::interfaces().or_refused(MESSAGE, message("RTM_GETLINK"))?;
            expect(rows.iter().any(|row| row.name == "br0"), feature)
        }
        _ => {
            let says = message("NFT_MSG_NEWTABLE inet probe");
            firewall::drop_forwarded("probe").or_refused(MESSAGE, says)?;
            let rules = firewall::rules().or_refused(MESSAGE, message("NFT_MSG_GETRULE"))?;
            expect(rules.iter().any(|rule| rule.table == "inet probe" && rule.drops), feature)
        }
    }
}

/// Asks for a change of the network that the caller is in.
fn change(says: &str, request: RouteNetlinkMessage, flags: u16) -> Result<()> {
    let changed = Netlink::open(NetlinkPart::Route).and_then(|netlink| netlink.change(request, flags));
    changed.map(drop).or_refused(MESSAGE, message(says))
}

/// As deep as the lesson on PID namespaces goes.
fn nest() -> Result<()> {
    /// Below the stage, which is one level itself.
    const LEVELS: usize = 31;
    let Nested { made, refused } = sys::nest_pid_namespaces().or_refused("clone", args![CLONE_NEWPID])?;
    if made.len() >= LEVELS && refused == Errno::ENOSPC {
        return Ok(());
    }
    Err(refused).or_refused("clone", args![CLONE_NEWPID, format!("{} levels down", made.len())])
}

/// As many processes and namespaces as a lesson has, besides the stage's own.
fn several() -> Result<()> {
    const PROCESSES: usize = 6;
    const NAMESPACES: usize = 3;
    let (hold, held) = pipe2(OFlag::O_CLOEXEC).or_refused("pipe2", args![])?;
    let mut children = Vec::new();
    for _ in 0..PROCESSES {
        match sys::clone3(0).or_refused("clone3", args!["flags=0"])? {
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

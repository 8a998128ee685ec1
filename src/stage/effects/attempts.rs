//! How each effect is tried. The caller is root of a user namespace, in a process that is there for nothing else.

use std::fs::{self, File};
use std::io::{Read, Write};
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

use super::Effect;
use crate::error::{Error, Result};
use crate::observe::netlink::{Netlink, Refused};
use crate::observe::{firewall, links, namespaces, processes, sockets};
use crate::stage::ids::map_root;
use crate::stage::process::retried;
use crate::stage::root::{self, WORKBENCH, tried};
use crate::stage::verbs::{bridge, echo, up, veth};
use crate::sys::{self, Forked};
use crate::transcript::Kind;

/// Tries an effect here and now.
pub(super) fn attempt(effect: Effect) -> Result<()> {
    match effect {
        // The caller is root of a user namespace, so these have come about.
        Effect::User | Effect::Setgroups | Effect::Maps => expect(nix::unistd::geteuid().is_root(), effect),
        Effect::Mnt => moved(CloneFlags::CLONE_NEWNS, Kind::Mnt),
        Effect::Uts => moved(CloneFlags::CLONE_NEWUTS, Kind::Uts),
        Effect::Ipc => moved(CloneFlags::CLONE_NEWIPC, Kind::Ipc),
        Effect::Net => moved(CloneFlags::CLONE_NEWNET, Kind::Net),
        Effect::Cgroup => moved(CloneFlags::CLONE_NEWCGROUP, Kind::Cgroup),
        Effect::Pid => {
            into_new(CloneFlags::CLONE_NEWPID)?;
            in_a_child(|| expect(getpid().as_raw() == 1, effect))
        }
        Effect::Time => into_new(time()),
        Effect::TimeOffsets => clocks(),
        Effect::MountSetattr | Effect::Tmpfs | Effect::Sysfs | Effect::Mqueue | Effect::PivotRoot => mounts(effect),
        Effect::Proc => {
            into_new(CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWPID)?;
            in_a_child(|| {
                root::make_private()?;
                root::mount_proc("/proc")?;
                let listed = processes::list().map_err(|why| refused_by("open", "/proc", &why))?;
                expect(listed.len() == 1, effect)
            })
        }
        Effect::Chroot => {
            tried("chroot", chroot(WORKBENCH))?;
            expect(!fs::exists("/proc/self").unwrap_or(true), effect)
        }
        Effect::Notify => notify(),
        Effect::Sethostname => {
            into_new(CloneFlags::CLONE_NEWUTS)?;
            tried("sethostname", sethostname("probe"))?;
            expect(gethostname().is_ok_and(|name| name == "probe"), effect)
        }
        Effect::Setns => join(),
        Effect::Loopback | Effect::Ping | Effect::SockDiag | Effect::Veth | Effect::Bridge | Effect::Nftables => {
            into_new(CloneFlags::CLONE_NEWNET)?;
            network(effect)
        }
        Effect::NestedUser => {
            into_new(CloneFlags::CLONE_NEWUSER)?;
            map_root()?;
            tried("chroot", chroot(WORKBENCH))
        }
        Effect::NestedPid => nest(),
        Effect::Several => several(),
    }
}

fn expect(held: bool, effect: Effect) -> Result<()> {
    if held { Ok(()) } else { Err(Error::unexpected(effect.title(), "the calls returned 0, and nothing came of it")) }
}

/// Runs something in a child, and waits for what comes of it.
pub(super) fn in_a_child(run: impl FnOnce() -> Result<()>) -> Result<()> {
    let (answer, mine) = tried("pipe2", pipe2(OFlag::O_CLOEXEC))?;
    match tried("fork()", sys::clone3(0))? {
        Forked::Child => {
            let result = serde_json::to_vec(&run()).unwrap_or_default();
            let _ = File::from(mine).write_all(&result);
            sys::exit(0)
        }
        Forked::Parent(pid) => {
            drop(mine);
            let mut result = Vec::new();
            let read = File::from(answer).read_to_end(&mut result);
            let _ = retried(|| waitpid(pid, None));
            let lost = |why: String| Error::unexpected("a process in which something was tried", why);
            read.map_err(|why| lost(why.to_string()))?;
            serde_json::from_slice::<Result<()>>(&result).map_err(|why| lost(why.to_string()))?
        }
    }
}

fn time() -> CloneFlags {
    CloneFlags::from_bits_retain(libc::CLONE_NEWTIME)
}

/// Makes namespaces, one type after the other, so that a refusal says of which.
fn into_new(types: CloneFlags) -> Result<()> {
    const TYPES: [(i32, &str); 8] = [
        (libc::CLONE_NEWUSER, "unshare(CLONE_NEWUSER)"),
        (libc::CLONE_NEWNS, "unshare(CLONE_NEWNS)"),
        (libc::CLONE_NEWPID, "unshare(CLONE_NEWPID)"),
        (libc::CLONE_NEWUTS, "unshare(CLONE_NEWUTS)"),
        (libc::CLONE_NEWIPC, "unshare(CLONE_NEWIPC)"),
        (libc::CLONE_NEWNET, "unshare(CLONE_NEWNET)"),
        (libc::CLONE_NEWCGROUP, "unshare(CLONE_NEWCGROUP)"),
        (libc::CLONE_NEWTIME, "unshare(CLONE_NEWTIME)"),
    ];
    for (flag, call) in TYPES.into_iter().filter(|(flag, _)| types.bits() & flag != 0) {
        tried(call, unshare(CloneFlags::from_bits_retain(flag)))?;
    }
    Ok(())
}

/// Makes a namespace, and sees that it is another one.
fn moved(flag: CloneFlags, kind: Kind) -> Result<()> {
    let file = format!("self/ns/{kind}");
    let link = || namespaces::read(&file, kind).map_err(|why| refused_by("open", &format!("/proc/{file}"), &why));
    let before = link()?;
    into_new(flag)?;
    if link()? == before {
        return Err(Error::unexpected(format!("unshare({kind})"), "the namespace is the same as before"));
    }
    Ok(())
}

fn refused_by(syscall: &str, what: &str, why: &std::io::Error) -> Error {
    Error::io(syscall, format!("{syscall}({what})"), why)
}

fn mounts(effect: Effect) -> Result<()> {
    let other = match effect {
        Effect::Sysfs => CloneFlags::CLONE_NEWNET,
        Effect::Mqueue => CloneFlags::CLONE_NEWIPC,
        _ => CloneFlags::empty(),
    };
    into_new(CloneFlags::CLONE_NEWNS | other)?;
    root::make_private()?;
    let none = None::<&str>;
    match effect {
        Effect::MountSetattr => {
            root::bind_read_only()?;
            match File::create("new").map_err(|why| refused_by("open", "new", &why)) {
                Err(error) if error.errno() == Some(Errno::EROFS) => Ok(()),
                answer => answer.and(expect(false, effect)),
            }
        }
        Effect::Tmpfs => {
            root::mount_tmpfs(WORKBENCH, "mode=755")?;
            let new = fs::write(format!("{WORKBENCH}/new"), "");
            new.map_err(|why| refused_by("open", WORKBENCH, &why))
        }
        Effect::Sysfs => {
            tried("mount(sysfs)", mount(Some("sysfs"), "/sys", Some("sysfs"), MsFlags::empty(), none))?;
            let shown = fs::read_dir("/sys/class/net").map_err(|why| refused_by("open", "/sys/class/net", &why))?;
            let rows =
                links::interfaces().map_err(|why| Error::refused("rtnetlink", "rtnetlink(RTM_GETLINK)", why.errno))?;
            expect(rows.len() == shown.count(), effect)
        }
        Effect::Mqueue => {
            tried("mount(mqueue)", mount(Some("mqueue"), WORKBENCH, Some("mqueue"), MsFlags::empty(), none))?;
            let new = File::create(format!("{WORKBENCH}/new")).map(drop);
            new.map_err(|why| refused_by("open", WORKBENCH, &why))
        }
        _ => {
            root::mount_tmpfs(WORKBENCH, "mode=755")?;
            tried("chdir", chdir(WORKBENCH))?;
            root::make_root()?;
            let entries = fs::read_dir("/").map_err(|why| refused_by("open", "/", &why))?;
            expect(entries.count() == 0, effect)
        }
    }
}

/// A file is written to, and the kernel says so.
fn notify() -> Result<()> {
    into_new(CloneFlags::CLONE_NEWNS)?;
    root::make_private()?;
    root::mount_tmpfs(WORKBENCH, "mode=755")?;
    let directory = File::open(WORKBENCH).map_err(|why| refused_by("open", WORKBENCH, &why))?;
    let written = SigSet::from(Signal::SIGIO);
    tried("sigprocmask", written.thread_block())?;
    tried("fcntl(F_NOTIFY)", sys::notify_of_writes(directory.as_fd()))?;
    let new = fs::write(format!("{WORKBENCH}/new"), "x");
    new.map_err(|why| refused_by("write", WORKBENCH, &why))?;
    tried("sigwait", written.wait()).map(drop)
}

/// A child moves out, and comes back by way of its parent's pidfd. Where there can be no namespace more, it is there already.
fn join() -> Result<()> {
    // Not in the machine's own, which nobody may join who is not root of the machine.
    let moved = into_new(CloneFlags::CLONE_NEWUTS);
    let parent = Pid::from_raw(getpid().as_raw()).ok_or(rustix::io::Errno::SRCH);
    let pidfd = parent.and_then(|pid| pidfd_open(pid, PidfdFlags::empty()));
    let pidfd = tried("pidfd_open", pidfd.map_err(|errno| Errno::from_raw(errno.raw_os_error())))?;
    let own = || namespaces::of("self").map_err(|why| refused_by("open", "/proc/self/ns", &why));
    let home = own()?;
    let joined = in_a_child(|| {
        let _ = into_new(CloneFlags::CLONE_NEWUTS);
        tried("setns(pidfd, CLONE_NEWUTS)", setns(&pidfd, CloneFlags::CLONE_NEWUTS))?;
        expect(own()? == home, Effect::Setns)
    });
    joined.or_else(|error| moved.and(Err(error)))
}

/// A day later, to the children.
fn clocks() -> Result<()> {
    const DAY: i64 = 86_400;
    into_new(time())?;
    let file = "/proc/self/timens_offsets";
    let written = fs::write(file, format!("monotonic {DAY} 0\n"));
    written.map_err(|why| refused_by("write", file, &why))?;
    let now = || tried("clock_gettime", clock_gettime(ClockId::CLOCK_MONOTONIC)).map(|now| now.tv_sec());
    let before = now()?;
    in_a_child(|| expect(now()? >= before + DAY, Effect::TimeOffsets))
}

fn network(effect: Effect) -> Result<()> {
    let asked = |call: &str, why: Refused| Error::Refused {
        syscall: call.split('(').next().unwrap_or(call).to_owned(),
        call: call.to_owned(),
        errno: why.errno as i32,
        kernel_said: why.said,
        told: false,
    };
    let change = |call: &str, request: RouteNetlinkMessage, flags: u16| {
        Netlink::open().and_then(|netlink| netlink.change(request, flags)).map_err(|why| asked(call, why))
    };
    let there = |name: &str| {
        let rows = links::interfaces().map_err(|why| asked("rtnetlink(RTM_GETLINK)", why))?;
        Ok(rows.iter().any(|row| row.name == name))
    };
    let new = NLM_F_CREATE | NLM_F_EXCL;
    match effect {
        Effect::Loopback => {
            change("rtnetlink(RTM_SETLINK, lo)", up("lo"), 0)?;
            match TcpStream::connect((Ipv4Addr::LOCALHOST, 80))
                .map_err(|why| refused_by("connect", "127.0.0.1:80", &why))
            {
                Err(error) if error.errno() == Some(Errno::ECONNREFUSED) => Ok(()),
                answer => answer.and(expect(false, effect)),
            }
        }
        Effect::Ping => {
            change("rtnetlink(RTM_SETLINK, lo)", up("lo"), 0)?;
            tried("ping(127.0.0.1)", echo(Ipv4Addr::LOCALHOST)).map(drop)
        }
        Effect::SockDiag => {
            let _listener =
                TcpListener::bind((Ipv4Addr::UNSPECIFIED, 80)).map_err(|why| refused_by("bind", "80", &why))?;
            let listed = sockets::listeners().map_err(|why| asked("sock_diag(TCP_LISTEN)", why))?;
            expect(listed.len() == 1, effect)
        }
        Effect::Veth => {
            change("rtnetlink(RTM_NEWLINK, veth)", veth("v1", "v2", getpid().as_raw()), new)?;
            expect(there("v1")? && there("v2")?, effect)
        }
        Effect::Bridge => {
            change("rtnetlink(RTM_NEWLINK, bridge)", bridge("br0"), new)?;
            expect(there("br0")?, effect)
        }
        _ => {
            firewall::add_table("probe").map_err(|why| asked("nfnetlink(NFT_MSG_NEWTABLE)", why))?;
            let tables = firewall::tables().map_err(|why| asked("nfnetlink(NFT_MSG_GETTABLE)", why))?;
            expect(tables == ["inet probe"], effect)
        }
    }
}

/// As deep as the lesson on PID namespaces goes.
fn nest() -> Result<()> {
    /// Below the stage, which is one level itself.
    const LEVELS: usize = 31;
    let (made, refused) = tried("clone", sys::nest_pid_namespaces())?;
    if made >= LEVELS && refused == Errno::ENOSPC {
        return Ok(());
    }
    Err(Error::refused("clone", format!("clone(CLONE_NEWPID), {made} levels down"), refused))
}

/// As many processes and namespaces as a lesson has, besides the stage's own.
fn several() -> Result<()> {
    const PROCESSES: usize = 6;
    const NAMESPACES: usize = 3;
    let (hold, held) = tried("pipe2", pipe2(OFlag::O_CLOEXEC))?;
    let mut children = Vec::new();
    for _ in 0..PROCESSES {
        match tried("fork()", sys::clone3(0))? {
            Forked::Child => {
                drop(held);
                // Until the parent lets go of the other end, or is gone.
                let _ = retried(|| read(&hold, &mut [0]));
                sys::exit(0)
            }
            Forked::Parent(pid) => children.push(pid),
        }
    }
    let types = [
        (CloneFlags::CLONE_NEWNS, "mnt"),
        (CloneFlags::CLONE_NEWUTS, "uts"),
        (CloneFlags::CLONE_NEWIPC, "ipc"),
        (CloneFlags::CLONE_NEWNET, "net"),
    ];
    // An open file keeps a namespace.
    let mut kept = Vec::new();
    for (flag, file) in types.into_iter().cycle().take(NAMESPACES * types.len()) {
        into_new(flag)?;
        let file = format!("/proc/self/ns/{file}");
        kept.push(File::open(&file).map_err(|why| refused_by("open", &file, &why))?);
    }
    drop(held);
    for child in children {
        let _ = retried(|| waitpid(child, None));
    }
    Ok(())
}

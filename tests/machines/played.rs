//! The machines, and how each is played.

use nix::errno::Errno;
use nix::unistd::geteuid;
use syscalls::Sysno;

use crate::errors::{JAIL, MOUNTED_JAIL, as_root_of_nothing};
use crate::supervisor::filter::docker;
use crate::supervisor::{Call, Verdict};
use crate::support::{End, Lab, Run, Who};

/// A machine that does not allow everything, or that looks as if it did not.
pub struct Machine {
    pub name: &'static str,
    /// The causes that the doctor must find, and no others.
    pub causes: &'static [&'static str],
    /// The doctor's exit status.
    pub status: i32,
    /// Whether it is known beforehand what each lesson goes without.
    pub is_exact: bool,
    how: How,
}

enum How {
    /// By a script that root of a new user namespace with a new mount namespace runs. It ends by starting `"$0"`.
    Script(&'static str),
    /// By a script that root of this machine runs.
    AsRoot(&'static str),
    /// By a script that a plain user runs.
    AsPlainUser(&'static str),
    /// By Docker's filter.
    Docker,
    /// By a judge of these calls of the program's, behind a script as above.
    Judge(&'static [Sysno], fn(&Call<'_>) -> Verdict, &'static str),
}

/// How long one run may take: less than the program's own patience with its stage.
const PATIENCE: &str = "25";

impl Machine {
    const fn new(name: &'static str, how: How) -> Machine {
        Machine { name, causes: &[], status: 0, is_exact: true, how }
    }

    const fn ails(mut self, causes: &'static [&'static str], status: i32) -> Machine {
        self.causes = causes;
        self.status = status;
        self
    }

    pub fn can_be_played(&self) -> bool {
        !matches!(self.how, How::AsRoot(_)) || geteuid().is_root()
    }

    pub fn run(&self, lab: &Lab, args: &str) -> End {
        let patient = |run: Run| run.under(&["timeout", "--kill-after=1", PATIENCE]);
        let end =
            match self.how {
                How::Script(script) => patient(as_root_of_nothing(lab, &format!("{script} {args}"))).end(),
                How::AsRoot(script) => patient(lab.shell(&format!("{script} {args}"))).end(),
                How::AsPlainUser(script) => patient(lab.shell(&format!("{script} {args}")).by(Who::PlainUser)).end(),
                How::Docker => lab.run(args.split(' ')).by(Who::PlainUser).behind(docker()).end(),
                How::Judge(watched, judge, script) => {
                    let program = lab.program();
                    let run = as_root_of_nothing(lab, &format!("{script} {args}"));
                    run.judged(watched, |call| {
                        if call.exe().as_ref() == Some(&program) { judge(call) } else { Verdict::Continue }
                    })
                }
            };
        assert_ne!(end.code(), 124, "{}: {args} hangs: {end:?}", self.name);
        end
    }
}

/// The program as a plain user with this limit: prlimit(1).
pub fn limited(lab: &Lab, limit: &str, args: &str) -> End {
    let script = format!("exec prlimit {limit} \"$0\" {args}");
    as_root_of_nothing(lab, &script).under(&["timeout", "--kill-after=1", PATIENCE]).end()
}

const EXEC: &str = "exec \"$0\"";

/// A new mount namespace is not enough where /proc is to be another one: it is mounted in a new PID namespace.
macro_rules! with_proc {
    ($options:literal) => {
        concat!("exec unshare --pid --fork sh -c 'mount -t proc -o ", $options, " proc /proc && exec \"$@\"' sh \"$0\"")
    };
}

/// A setting that this kernel may not have, as a file in place of the directory. Not as root, for whom it does not count.
const USERNS_CLONE: &str = "mount -t tmpfs sysctl /proc/sys/kernel && \
    echo 0 > /proc/sys/kernel/unprivileged_userns_clone && exec unshare --user --map-user=1000 --map-group=1000 \"$0\"";

const APPARMOR: &str = "mount -t tmpfs sysctl /proc/sys/kernel && \
    echo 1 > /proc/sys/kernel/apparmor_restrict_unprivileged_userns && exec \"$0\"";

const FULL_TMP: &str = "mount -t tmpfs -o size=64m full /mnt && cp \"$0\" /mnt/nslearn && \
    { cat /dev/zero > /mnt/rest 2>/dev/null || true; } && mount --rbind /mnt /tmp && exec /tmp/nslearn";

macro_rules! limits {
    ($($kind:literal: $at_one:expr),*) => { [$(
        Machine::new(concat!("user.max_", $kind, "_namespaces is 0"),
            How::Script(concat!("echo 0 > /proc/sys/user/max_", $kind, "_namespaces && exec \"$0\""))).ails(&["limit"], 3),
        Machine::new(concat!("user.max_", $kind, "_namespaces is 1"),
            How::Script(concat!("echo 1 > /proc/sys/user/max_", $kind, "_namespaces && exec \"$0\""))).ails(&["limit"], $at_one),
    )*] };
}

/// Each limit at 0 and at 1, which is what the stage takes.
const LIMITS: [Machine; 14] = limits!("user": 3, "mnt": 3, "pid": 3, "uts": 3, "ipc": 3, "net": 3, "cgroup": 0);

const OTHERS: [Machine; 26] = [
    Machine::new("nothing is in the way", How::Script(EXEC)),
    Machine::new("Docker's filter", How::Docker).ails(&["seccomp"], 3),
    Machine::new(
        "AppArmor's way",
        How::Judge(&[Sysno::write, Sysno::mount, Sysno::pivot_root, Sysno::sethostname], no_capability, APPARMOR),
    )
    .ails(&["security-module"], 3),
    Machine::new(
        "a security module that lets mounts alone be",
        How::Judge(&[Sysno::mount], |_| Verdict::Refuse(Errno::EACCES), EXEC),
    )
    .ails(&["security-module"], 3),
    Machine::new(
        "a security module that allows no user namespace",
        How::Judge(&[Sysno::clone3, Sysno::unshare], |call| no_user_namespace(call, Errno::EACCES), EXEC),
    )
    .ails(&["security-module"], 3),
    Machine::new(
        "unprivileged_userns_clone is 0",
        How::Judge(&[Sysno::clone3, Sysno::unshare], |call| no_user_namespace(call, Errno::EPERM), USERNS_CLONE),
    )
    .ails(&["unprivileged-userns-clone"], 3),
    Machine::new(
        "a filter that refuses user namespaces alone",
        How::Judge(&[Sysno::clone3, Sysno::unshare], |call| no_user_namespace(call, Errno::EPERM), EXEC),
    )
    .ails(&["seccomp"], 3),
    Machine::new("inside a chroot", How::Script(JAIL)).ails(&["chroot"], 3),
    Machine::new("inside a chroot on a mount", How::Script(MOUNTED_JAIL)).ails(&["chroot"], 3),
    Machine::new("a user without an id", How::AsPlainUser("exec unshare --user \"$0\"")).ails(&["unmapped"], 3),
    Machine::new("parts of /proc are covered", How::Script("mount --bind /dev/null /proc/version && exec \"$0\""))
        .ails(&["masked-proc"], 3),
    Machine::new("a read-only /proc", How::Script(with_proc!("ro"))).ails(&["read-only-proc"], 3),
    Machine::new("no /proc", How::Script("mount -t tmpfs none /proc && exec \"$0\"")).ails(&["no-proc"], 3),
    Machine::new("a read-only /sys", How::Script("mount -o remount,bind,ro /sys && exec \"$0\""))
        .ails(&["masked-sys"], 0),
    // In a PID namespace of its own, for a plain user mounts no other proc: so one level less is left.
    Machine::new("hidepid=2", How::Script(with_proc!("hidepid=2"))).ails(&["nesting"], 3),
    Machine::new("no time namespaces", How::Judge(&[Sysno::clone3, Sysno::unshare], no_time, EXEC))
        .ails(&["kernel"], 3),
    Machine::new("no veth", How::Judge(&[Sysno::sendto], |call| no_such(call, b"veth\0", b"vath\0"), EXEC))
        .ails(&["module"], 3),
    Machine::new("no setns", How::Judge(&[Sysno::setns], |_| Verdict::Refuse(Errno::EPERM), EXEC))
        .ails(&["seccomp"], 3),
    Machine::new("root in two user namespaces", How::Script("exec unshare --map-root-user \"$0\"")),
    Machine::new("no bridges", How::Judge(&[Sysno::sendto], |call| no_such(call, b"bridge\0", b"brodge\0"), EXEC))
        .ails(&["module"], 0),
    Machine::new("no nftables", How::Judge(&[Sysno::socket], |call| no_protocol(call, libc::NETLINK_NETFILTER), EXEC))
        .ails(&["module"], 3),
    Machine::new("no sock_diag", How::Judge(&[Sysno::socket], |call| no_protocol(call, libc::NETLINK_SOCK_DIAG), EXEC))
        .ails(&["module"], 3),
    Machine::new("31 PID namespaces deep", How::Script("exec $(yes 'unshare --pid --fork' | head -n 31) \"$0\""))
        .ails(&["nesting"], 3),
    Machine::new("32 PID namespaces deep", How::Script("exec $(yes 'unshare --pid --fork' | head -n 32) \"$0\""))
        .ails(&["nesting"], 3),
    Machine::new("a full /tmp", How::Script(FULL_TMP)),
    Machine::new("no_new_privs", How::AsPlainUser("exec setpriv --no-new-privs \"$0\"")),
];

const OF_ROOT: [Machine; 3] = [
    Machine::new("root without CAP_SYS_ADMIN", How::AsRoot("exec setpriv --bounding-set=-sys_admin \"$0\"")),
    Machine::new("root without CAP_SETUID", How::AsRoot("exec setpriv --bounding-set=-setuid \"$0\""))
        .ails(&["root"], 3),
    Machine::new("root with no id but root's", How::AsRoot("exec unshare --user --map-root-user \"$0\""))
        .ails(&["root"], 3),
];

/// All of them.
pub fn machines() -> impl Iterator<Item = Machine> {
    LIMITS.into_iter().chain(OTHERS).chain(OF_ROOT)
}

/// As AppArmor's profile for user namespaces that no other profile speaks of: there is one, and nothing to do with it.
fn no_capability(call: &Call<'_>) -> Verdict {
    if call.sysno != Sysno::write {
        return Verdict::Refuse(Errno::EACCES);
    }
    let file = call.fd_target(call.args[0]).unwrap_or_default();
    match file.file_name().and_then(|name| name.to_str()) {
        Some("setgroups") => Verdict::Refuse(Errno::EACCES),
        Some("uid_map" | "gid_map") => Verdict::Refuse(Errno::EPERM),
        _ => Verdict::Continue,
    }
}

/// The types of namespaces that a call asks for.
fn flags(call: &Call<'_>) -> i32 {
    let flags = if call.sysno == Sysno::clone3 {
        // The first field of struct clone_args.
        call.read(call.args[0], 8).map_or(0, |bytes| u64::from_ne_bytes(bytes.try_into().unwrap()))
    } else {
        call.args[0]
    };
    i32::try_from(flags).unwrap_or_default()
}

fn no_user_namespace(call: &Call<'_>, errno: Errno) -> Verdict {
    if flags(call) & libc::CLONE_NEWUSER == 0 { Verdict::Continue } else { Verdict::Refuse(errno) }
}

fn no_time(call: &Call<'_>) -> Verdict {
    if flags(call) & libc::CLONE_NEWTIME == 0 { Verdict::Continue } else { Verdict::Refuse(Errno::EINVAL) }
}

/// A kind of interface that no kernel has takes the place of one: so this kernel answers as one without it does.
fn no_such(call: &Call<'_>, kind: &[u8], other: &[u8]) -> Verdict {
    call.replace(call.args[1], usize::try_from(call.args[2]).unwrap_or_default(), kind, other);
    Verdict::Continue
}

fn no_protocol(call: &Call<'_>, protocol: i32) -> Verdict {
    let asked = (call.args[0], call.args[2]);
    let number = |number: i32| u64::from(number.unsigned_abs());
    if asked == (number(libc::AF_NETLINK), number(protocol)) {
        return Verdict::Refuse(Errno::EPROTONOSUPPORT);
    }
    Verdict::Continue
}

//! The machines.

use nix::errno::Errno;
use syscalls::Sysno;

use super::machine::{
    How, Machine, module_forbids_mounts, module_forbids_user_namespaces, no_capability, no_protocol, no_such, no_time,
    no_user_namespace,
};
use crate::errors::{JAIL, MOUNTED_JAIL, STRANGE_JAIL};
use crate::supervisor::filter::docker;
use crate::supervisor::{Filter, Test, Verdict};

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
    ($($kind:literal: $at_none:expr, $at_one:expr),*) => { [$(
        limits!($kind, "0").ails(&["limit"], $at_none),
        limits!($kind, "1").ails(&["limit"], $at_one),
    )*] };
    ($kind:literal, $limit:literal) => {
        Machine::new(concat!("user.max_", $kind, "_namespaces is ", $limit),
            How::Script(concat!("echo ", $limit, " > /proc/sys/user/max_", $kind, "_namespaces && exec \"$0\"")))
            .says(&[concat!("user.max_", $kind, "_namespaces")])
    };
}

/// Each limit at 0 and at 1, which is what the stage takes. No lesson needs a cgroup namespace, and one alone needs time
/// namespaces.
const LIMITS: [Machine; 16] = limits!(
    "user": 3, 3, "mnt": 3, 3, "pid": 3, 3, "uts": 3, 3, "ipc": 3, 3, "net": 3, 3, "cgroup": 0, 0, "time": 3, 3);

/// User namespaces in each other, as long as more can be made, in this way. From where the tests begin may be some already.
macro_rules! until_refused {
    ($more:literal) => {
        concat!(
            "export DEEPER='",
            $more,
            " true 2>/dev/null && exec unshare --map-root-user sh -c \"$DEEPER\" \"$0\" \"$@\"; exec \"$0\" \"$@\"'; \
             exec sh -c \"$DEEPER\" \"$0\""
        )
    };
}

/// Limits that do not show where one looks for them, or that are met only later.
const OTHER_LIMITS: [Machine; 13] = [
    Machine::new("user.max_uts_namespaces is 0 in an ancestor", How::Script(ANCESTORS_LIMIT)).ails(&["limit"], 3),
    // What has ended counts until the kernel has taken it down: the stage and one more are two all the time, and of the
    // lessons some need a third.
    limits!("net", "2").ails(&["limit"], 3).by_the_moment(),
    // No lesson has more than three at once.
    limits!("net", "5").says(&[]),
    Machine::new("31 PID namespaces deep", How::Script("exec $(yes 'unshare --pid --fork' | head -n 31) \"$0\""))
        .ails(&["nesting"], 3),
    Machine::new("32 PID namespaces deep", How::Script("exec $(yes 'unshare --pid --fork' | head -n 32) \"$0\""))
        .ails(&["nesting"], 3),
    // A proc shows the numbers from its own PID namespace inwards: here it is one, however deep that is.
    Machine::new("32 PID namespaces deep, with a proc of the last", How::Script(DEEP_WITH_PROC)).ails(&["nesting"], 3),
    Machine::new(
        "32 user namespaces deep",
        How::Script(until_refused!("unshare --map-root-user unshare --map-root-user")),
    )
    .ails(&["nesting"], 3),
    Machine::new("33 user namespaces deep", How::Script(until_refused!("unshare --map-root-user")))
        .ails(&["nesting"], 3),
    Machine::new("no message queues", How::Script("exec prlimit --msgqueue=0 \"$0\""))
        .ails(&["message-queues"], 0)
        .says(&["ulimit -q"]),
    Machine::new("files of no bytes", How::Script("exec prlimit --fsize=0 \"$0\""))
        .ails(&["file-size"], 3)
        .says(&["ulimit -f"]),
    Machine::new("room for four processes", How::Room(4)).ails(&["processes"], 3).says(&["cgroup"]).by_the_moment(),
    Machine::new("as many mounts as there may be", How::Script(MANY_MOUNTS))
        .ails(&["mounts"], 3)
        .says(&["fs.mount-max"])
        .slowly(),
    Machine::new("a full /tmp", How::Script(FULL_TMP)),
];

const ANCESTORS_LIMIT: &str = "echo 0 > /proc/sys/user/max_uts_namespaces && exec unshare --map-root-user \"$0\"";

const DEEP_WITH_PROC: &str = "exec $(yes 'unshare --pid --fork' | head -n 31) unshare --pid --fork --mount-proc \"$0\"";

/// So many that there is no room for all of them once more: a tree that is bound into itself has twice as many, until the
/// kernel refuses it. The limit is the whole machine's, fs.mount-max, and stays as it is.
const MANY_MOUNTS: &str = "mount -t tmpfs many /mnt && mkdir $(seq -f /mnt/%g 30) && count=1 && \
    while mount --rbind /mnt /mnt/$count 2>/dev/null; do count=$((count + 1)); done && exec \"$0\"";

/// Real filters that refuse one call each.
macro_rules! filters {
    ($($call:ident),*) => { [$(
        Machine::new(concat!("a filter that refuses ", stringify!($call)),
            How::Behind(|| Filter::allowing().refuse(&[Sysno::$call], Errno::EPERM), &How::AsPlainUser(EXEC)))
            .ails(&["seccomp"], 3),
    )*] };
}

const FILTERS: [Machine; 7] = filters!(pivot_root, mount_setattr, umount2, sethostname, chroot, pidfd_open, prctl);

const OTHER_FILTERS: [Machine; 8] = [
    Machine::new("Docker's filter", How::Behind(docker, &How::AsPlainUser(EXEC))).ails(&["seccomp"], 3),
    Machine::new(
        "a filter that has not heard of mount_setattr",
        How::Behind(no_mount_setattr, &How::AsPlainUser(EXEC)),
    )
    .ails(&["seccomp"], 3),
    Machine::new("a filter that refuses raw sockets", How::Behind(no_raw_sockets, &How::AsPlainUser(EXEC)))
        .ails(&["seccomp"], 3),
    Machine::new("a filter that refuses netlink", How::Behind(no_netlink, &How::AsPlainUser(EXEC)))
        .ails(&["seccomp"], 3),
    Machine::new(
        "a filter on a program with a name that is not UTF-8",
        How::Behind(no_clone3, &How::Script(STRANGE_NAME)),
    )
    .ails(&["seccomp"], 3),
    // What the filter refuses nobody here calls.
    Machine::new("inside a chroot, behind a filter", How::Behind(no_keyctl, &How::Script(JAIL))).ails(&["chroot"], 3),
    Machine::new(
        "inside a chroot with a mount that is not UTF-8, behind a filter",
        How::Behind(no_keyctl, &How::Script(STRANGE_JAIL)),
    )
    .ails(&["chroot"], 3),
    Machine::new("inside a chroot on a mount, behind a filter", How::Behind(no_keyctl, &How::Script(MOUNTED_JAIL)))
        .ails(&["chroot"], 3),
];

/// A copy of the program with a byte in its name that is in no UTF-8.
const STRANGE_NAME: &str =
    "mount -t tmpfs none /mnt && name=$(printf '/mnt/h\\377') && cp \"$0\" \"$name\" && exec \"$name\"";

fn no_mount_setattr() -> Filter {
    Filter::allowing().refuse(&[Sysno::mount_setattr], Errno::ENOSYS)
}

fn no_clone3() -> Filter {
    Filter::allowing().refuse(&[Sysno::clone3], Errno::ENOSYS)
}

fn no_keyctl() -> Filter {
    Filter::allowing().refuse(&[Sysno::keyctl], Errno::EPERM)
}

fn no_raw_sockets() -> Filter {
    /// The type without the flags that socket(2) takes with it.
    const TYPE: u32 = 0xf;
    let netlink = Test::is(0, libc::AF_NETLINK.unsigned_abs());
    let raw = Test::masked(1, TYPE, libc::SOCK_RAW.unsigned_abs());
    Filter::allowing().allow_where(Sysno::socket, netlink).refuse_where(Sysno::socket, raw, Errno::EPERM)
}

fn no_netlink() -> Filter {
    let netlink = Test::is(0, libc::AF_NETLINK.unsigned_abs());
    Filter::allowing().refuse_where(Sysno::socket, netlink, Errno::EAFNOSUPPORT)
}

const OTHERS: [Machine; 27] = [
    Machine::new("nothing is in the way", How::Script(EXEC)),
    Machine::new(
        "AppArmor's way",
        How::Judge(&[Sysno::write, Sysno::mount, Sysno::pivot_root, Sysno::sethostname], no_capability, APPARMOR),
    )
    .ails(&["security-module"], 3),
    Machine::new(
        "a security module that lets mounts alone be",
        How::Judge(&[Sysno::mount], module_forbids_mounts, EXEC),
    )
    .ails(&["security-module"], 3),
    Machine::new("a profile that allows no mounts", How::Judge(&[Sysno::mount], module_forbids_mounts, PROFILE))
        .ails(&["security-module"], 3)
        .says(&["docker-default (enforce)"]),
    Machine::new(
        "a security module that allows no user namespace",
        How::Judge(&[Sysno::clone3, Sysno::unshare], module_forbids_user_namespaces, EXEC),
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
    Machine::new("inside a chroot on a mount, without capabilities", How::Script(SEEN_JAIL))
        .ails(&["chroot"], 3)
        .says(&["your root directory is /mnt for process"]),
    // The kernel says EPERM, and nothing else can be seen.
    Machine::new("inside a chroot that does not show", How::Script(UNSEEN_JAIL))
        .ails(&["unknown"], 3)
        .says(&["no seccomp filter is on this process", "a chroot that does not show"]),
    Machine::new("a user without an id", How::AsPlainUser("exec unshare --user \"$0\"")).ails(&["unmapped"], 3),
    Machine::new("parts of /proc are covered", How::Script("mount --bind /dev/null /proc/version && exec \"$0\""))
        .ails(&["masked-proc"], 3),
    Machine::new("a read-only /proc", How::Script(with_proc!("ro"))).ails(&["read-only-proc"], 3),
    Machine::new("no /proc", How::Script("mount -t tmpfs none /proc && exec \"$0\"")).ails(&["no-proc"], 3),
    Machine::new("a read-only /sys", How::Script("mount -o remount,bind,ro /sys && exec \"$0\""))
        .ails(&["masked-sys"], 0),
    // There is no /proc/version whose owner would tell whose the ids are. The kernel mounts another proc all the same; but one
    // PID namespace is taken already.
    Machine::new("subset=pid", How::Script(with_proc!("subset=pid"))).ails(&["nesting"], 3),
    // In a PID namespace of its own, for a plain user mounts no other proc: so one level less is left.
    Machine::new("hidepid=2", How::Script(with_proc!("hidepid=2"))).ails(&["nesting"], 3),
    Machine::new("no time namespaces", How::Judge(&[Sysno::clone3, Sysno::unshare], no_time, EXEC))
        .ails(&["kernel"], 3),
    Machine::new("no veth", How::Judge(&[Sysno::sendto], |call| no_such(call, b"veth\0", b"vath\0"), EXEC))
        .ails(&["kernel"], 3),
    Machine::new("no setns", How::Judge(&[Sysno::setns], |_| Verdict::Refuse(Errno::EPERM), EXEC))
        .ails(&["seccomp"], 3),
    Machine::new("root in two user namespaces", How::Script("exec unshare --map-root-user \"$0\"")),
    Machine::new(
        "a module that is not loaded",
        How::Judge(&[Sysno::sendto], |call| no_such(call, b"veth\0", b"vath\0"), VETH_MODULE),
    )
    .ails(&["module"], 3)
    .says(&["sudo modprobe veth"]),
    Machine::new("no bridges", How::Judge(&[Sysno::sendto], |call| no_such(call, b"bridge\0", b"brodge\0"), EXEC))
        .ails(&["kernel"], 0),
    Machine::new("no nftables", How::Judge(&[Sysno::socket], |call| no_protocol(call, libc::NETLINK_NETFILTER), EXEC))
        .ails(&["kernel"], 3),
    Machine::new("no sock_diag", How::Judge(&[Sysno::socket], |call| no_protocol(call, libc::NETLINK_SOCK_DIAG), EXEC))
        .ails(&["kernel"], 3),
    Machine::new("no_new_privs", How::AsPlainUser("exec setpriv --no-new-privs \"$0\"")),
];

const OF_ROOT: [Machine; 7] = [
    Machine::new("root without CAP_SYS_ADMIN", How::AsRoot("exec setpriv --bounding-set=-sys_admin \"$0\"")),
    // To become a plain user takes just what is missing.
    Machine::new("root without CAP_SETUID", How::AsRoot("exec setpriv --bounding-set=-setuid \"$0\""))
        .ails(&["root"], 3)
        .never_says(&["setpriv"]),
    Machine::new("root without CAP_SETGID", How::AsRoot("exec setpriv --bounding-set=-setgid \"$0\""))
        .ails(&["root"], 3)
        .never_says(&["setpriv"]),
    Machine::new("root without any capability", How::AsRoot("exec setpriv --bounding-set=-all \"$0\""))
        .ails(&["root"], 3)
        .never_says(&["setpriv"]),
    Machine::new("root with no id but root's", How::AsRoot("exec unshare --user --map-root-user \"$0\""))
        .ails(&["root"], 3),
    Machine::new("root with subset=pid", How::AsRoot(ROOTS_SUBSET)),
    Machine::new("a plain user with subset=pid", How::AsRoot(PLAIN_USERS_SUBSET)),
];

/// In place of what the kernel says there.
const PROFILE: &str = "mount -t tmpfs none /mnt && echo 'docker-default (enforce)' > /mnt/current && \
    mount --bind /mnt/current /proc/$$/attr/current && exec \"$0\"";

/// A chroot on a mount, in which nobody is who could join the mount namespace once more to see its root.
macro_rules! without_capabilities {
    ($before:literal) => {
        concat!(
            "mount --rbind / /mnt && ",
            $before,
            "exec chroot /mnt setpriv --inh-caps=-all --bounding-set=-all \"$0\""
        )
    };
}

const UNSEEN_JAIL: &str = without_capabilities!("");

/// Somebody stays outside, where it can be seen what the chroot's root is.
const SEEN_JAIL: &str =
    without_capabilities!("{ tail --pid=$$ --sleep-interval=0.1 --follow /dev/null </dev/null >/dev/null 2>&1 & } && ");

/// Where modprobe(8) finds veth: its list of modules lies over a directory that has none.
const VETH_MODULE: &str = "mount -t tmpfs modules /mnt && list=/mnt/modules/$(uname -r) && \
    mkdir -p $list && echo kernel/drivers/net/veth.ko: > $list/modules.dep && \
    mount -t overlay -o lowerdir=/mnt:/lib overlay /lib && exec \"$0\"";

macro_rules! subset {
    ($as_whom:literal) => {
        concat!(
            "exec unshare --mount sh -c 'mount -t proc -o subset=pid proc /proc && exec ",
            $as_whom,
            "\"$@\"' sh \"$0\""
        )
    };
}

const ROOTS_SUBSET: &str = subset!("");
const PLAIN_USERS_SUBSET: &str = subset!("setpriv --reuid=65534 --regid=65534 --clear-groups ");

/// All of them.
pub fn machines() -> impl Iterator<Item = Machine> {
    let limits = LIMITS.into_iter().chain(OTHER_LIMITS);
    let filters = FILTERS.into_iter().chain(OTHER_FILTERS);
    limits.chain(filters).chain(OTHERS).chain(OF_ROOT)
}

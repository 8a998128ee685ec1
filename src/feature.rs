//! What lessons need of a machine, by name. Whether a machine has it, [`crate::probe`] finds out.

use serde::{Deserialize, Serialize};

use crate::transcript::NamespaceType;

/// Something that lessons need of a machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Feature {
    /// A user namespace: user_namespaces(7).
    User,
    /// Giving up groups in it, before a plain user may write its map of groups.
    Setgroups,
    /// Its maps of ids, and so being root in it.
    Maps,
    /// A mount namespace.
    Mnt,
    /// A PID namespace.
    Pid,
    /// A UTS namespace.
    Uts,
    /// An IPC namespace.
    Ipc,
    /// A network namespace.
    Net,
    /// A cgroup namespace.
    Cgroup,
    /// A time namespace.
    Time,
    /// All mounts made read-only in one call: mount_setattr(2).
    MountSetattr,
    /// A new proc in a new PID namespace.
    Proc,
    /// A file system in memory.
    Tmpfs,
    /// Files that grow: `RLIMIT_FSIZE` in setrlimit(2).
    Files,
    /// A sysfs that shows a new network namespace.
    Sysfs,
    /// A file system of message queues.
    Mqueue,
    /// Another root for a mount namespace: pivot_root(2).
    PivotRoot,
    /// Another root for a process: chroot(2).
    Chroot,
    /// Word of what is written into a directory: F_NOTIFY in fcntl(2).
    Notify,
    /// A hostname: sethostname(2).
    Sethostname,
    /// Joining the namespaces of a process: setns(2) with a pidfd.
    Setns,
    /// Clocks that are set forward: time_namespaces(7).
    TimeOffsets,
    /// A loopback interface, set up.
    Loopback,
    /// An echo on a raw socket: icmp(7).
    Ping,
    /// A list of the sockets that listen: sock_diag(7).
    SockDiag,
    /// A cable: veth(4).
    Veth,
    /// A bridge.
    Bridge,
    /// A firewall table: nft(8).
    Nftables,
    /// A user namespace in a user namespace.
    NestedUser,
    /// PID namespaces in each other, as deep as the kernel goes.
    NestedPid,
    /// As many processes and namespaces at once as a lesson has. Each lesson needs those whose types it needs, and where
    /// there are fewer, it depends on the moment which facts go without them.
    Several,
}

impl Feature {
    /// All of them, those on which others stand first.
    pub(crate) const ALL: [Feature; 31] = [
        Feature::User,
        Feature::Setgroups,
        Feature::Maps,
        Feature::Mnt,
        Feature::Pid,
        Feature::Uts,
        Feature::Ipc,
        Feature::Net,
        Feature::Cgroup,
        Feature::Time,
        Feature::MountSetattr,
        Feature::Proc,
        Feature::Tmpfs,
        Feature::Files,
        Feature::Sysfs,
        Feature::Mqueue,
        Feature::PivotRoot,
        Feature::Chroot,
        Feature::Notify,
        Feature::Sethostname,
        Feature::Setns,
        Feature::TimeOffsets,
        Feature::Loopback,
        Feature::Ping,
        Feature::SockDiag,
        Feature::Veth,
        Feature::Bridge,
        Feature::Nftables,
        Feature::NestedUser,
        Feature::NestedPid,
        Feature::Several,
    ];

    /// New namespaces of a type, beside the stage's own.
    pub(crate) const fn of(kind: NamespaceType) -> Feature {
        match kind {
            NamespaceType::Cgroup => Feature::Cgroup,
            NamespaceType::Ipc => Feature::Ipc,
            NamespaceType::Mnt => Feature::Mnt,
            NamespaceType::Net => Feature::Net,
            NamespaceType::Pid => Feature::Pid,
            NamespaceType::Time => Feature::Time,
            NamespaceType::User => Feature::NestedUser,
            NamespaceType::Uts => Feature::Uts,
        }
    }

    /// Its name for programs, and what it is.
    const fn words(self) -> (&'static str, &'static str) {
        match self {
            Feature::User => ("user", "user namespaces"),
            Feature::Setgroups => ("setgroups", "giving up groups (setgroups)"),
            Feature::Maps => ("uid_map", "mapping ids (uid_map, gid_map)"),
            Feature::Mnt => ("mnt", "mount namespaces"),
            Feature::Pid => ("pid", "PID namespaces"),
            Feature::Uts => ("uts", "UTS namespaces"),
            Feature::Ipc => ("ipc", "IPC namespaces"),
            Feature::Net => ("net", "network namespaces"),
            Feature::Cgroup => ("cgroup", "cgroup namespaces"),
            Feature::Time => ("time", "time namespaces"),
            Feature::MountSetattr => ("mount_setattr", "making mounts read-only (mount_setattr)"),
            Feature::Proc => ("proc", "mounting proc"),
            Feature::Tmpfs => ("tmpfs", "mounting tmpfs"),
            Feature::Files => ("files", "writing files"),
            Feature::Sysfs => ("sysfs", "mounting sysfs"),
            Feature::Mqueue => ("mqueue", "mounting mqueue"),
            Feature::PivotRoot => ("pivot_root", "replacing the root mount (pivot_root)"),
            Feature::Chroot => ("chroot", "changing a process's root directory (chroot)"),
            Feature::Notify => ("notify", "notices of changes in a directory (F_NOTIFY)"),
            Feature::Sethostname => ("sethostname", "setting hostnames (sethostname)"),
            Feature::Setns => ("setns", "joining namespaces by pidfd (setns)"),
            Feature::TimeOffsets => ("timens_offsets", "clocks set forward (timens_offsets)"),
            Feature::Loopback => ("lo", "the loopback interface"),
            Feature::Ping => ("ping", "echo requests (ping)"),
            Feature::SockDiag => ("sock_diag", "listing sockets (sock_diag)"),
            Feature::Veth => ("veth", "veth pairs"),
            Feature::Bridge => ("bridge", "bridges"),
            Feature::Nftables => ("nftables", "firewall tables (nftables)"),
            Feature::NestedUser => ("nested-user", "nested user namespaces"),
            Feature::NestedPid => ("nested-pid", "PID namespaces, nested 32 levels deep"),
            Feature::Several => ("several", "several processes and namespaces at once"),
        }
    }

    /// Its name for programs, after its file in /proc/PID/ns, its system call or its module.
    pub(crate) const fn name(self) -> &'static str {
        self.words().0
    }

    /// What it is, for a reader.
    pub(crate) const fn title(self) -> &'static str {
        self.words().1
    }

    /// Whether it is tried in a network namespace of the caller's own.
    pub(crate) const fn is_of_a_network(self) -> bool {
        use Feature::{Bridge, Loopback, Nftables, Ping, SockDiag, Sysfs, Veth};
        matches!(self, Sysfs | Loopback | Ping | SockDiag | Veth | Bridge | Nftables)
    }

    /// Whether a stage cannot be without it. A stage can do without cgroup and time namespaces.
    pub(crate) const fn carries_the_stage(self) -> bool {
        use Feature::{
            Ipc, Maps, Mnt, MountSetattr, Net, Pid, PivotRoot, Proc, Setgroups, Sethostname, Tmpfs, User, Uts,
        };
        matches!(
            self,
            User | Setgroups
                | Maps
                | Mnt
                | Pid
                | Uts
                | Ipc
                | Net
                | MountSetattr
                | Proc
                | Tmpfs
                | PivotRoot
                | Sethostname
        )
    }
}

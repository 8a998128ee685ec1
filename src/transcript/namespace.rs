//! The eight types of namespaces, in one table: namespaces(7).

use std::fmt;
use std::ops::BitOr;

use serde::{Deserialize, Serialize};

/// A type of namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) enum NamespaceType {
    /// Control groups: cgroup_namespaces(7).
    Cgroup,
    /// System V IPC and POSIX message queues: ipc_namespaces(7).
    Ipc,
    /// Mounts: mount_namespaces(7).
    Mnt,
    /// Network stacks: network_namespaces(7).
    Net,
    /// Process ids: pid_namespaces(7).
    Pid,
    /// The monotonic and boot-time clocks: time_namespaces(7).
    Time,
    /// User and group ids and capabilities: user_namespaces(7).
    User,
    /// The hostname and the NIS domain name: uts_namespaces(7).
    Uts,
}

/// What there is to know of a type.
struct Row {
    name: &'static str,
    flag: i32,
    flag_name: &'static str,
    limit: &'static str,
}

macro_rules! row {
    ($name:literal, $flag:ident) => {
        Row {
            name: $name,
            flag: libc::$flag,
            flag_name: stringify!($flag),
            limit: concat!("max_", $name, "_namespaces"),
        }
    };
}

/// In the order of [`NamespaceType::ALL`].
const TABLE: [Row; 8] = [
    row!("cgroup", CLONE_NEWCGROUP),
    row!("ipc", CLONE_NEWIPC),
    row!("mnt", CLONE_NEWNS),
    row!("net", CLONE_NEWNET),
    row!("pid", CLONE_NEWPID),
    row!("time", CLONE_NEWTIME),
    row!("user", CLONE_NEWUSER),
    row!("uts", CLONE_NEWUTS),
];

impl NamespaceType {
    /// All eight, in the order in which `ls /proc/self/ns` lists them.
    pub(crate) const ALL: [NamespaceType; 8] = [
        NamespaceType::Cgroup,
        NamespaceType::Ipc,
        NamespaceType::Mnt,
        NamespaceType::Net,
        NamespaceType::Pid,
        NamespaceType::Time,
        NamespaceType::User,
        NamespaceType::Uts,
    ];

    const fn row(self) -> &'static Row {
        &TABLE[self as usize]
    }

    /// The name of its file in `/proc/PID/ns`.
    pub(crate) const fn name(self) -> &'static str {
        self.row().name
    }

    /// Its flag, as clone(2), unshare(2) and setns(2) take it.
    pub(crate) const fn flag(self) -> i32 {
        self.row().flag
    }

    /// That flag's name.
    pub(crate) const fn flag_name(self) -> &'static str {
        self.row().flag_name
    }

    /// The file in `/proc/sys/user` that limits how many of it there may be.
    pub(crate) const fn limit(self) -> &'static str {
        self.row().limit
    }

    /// Whether its namespaces lie in each other, down to a depth that the kernel bounds.
    pub(crate) const fn nests(self) -> bool {
        matches!(self, NamespaceType::Pid | NamespaceType::User)
    }
}

impl fmt::Display for NamespaceType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// Types of namespaces as clone(2), unshare(2) and setns(2) take them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Flags(i32);

/// A new cgroup namespace.
pub(crate) const CLONE_NEWCGROUP: Flags = Flags(libc::CLONE_NEWCGROUP);
/// A new IPC namespace.
pub(crate) const CLONE_NEWIPC: Flags = Flags(libc::CLONE_NEWIPC);
/// A new network namespace.
pub(crate) const CLONE_NEWNET: Flags = Flags(libc::CLONE_NEWNET);
/// A new mount namespace.
pub(crate) const CLONE_NEWNS: Flags = Flags(libc::CLONE_NEWNS);
/// A new PID namespace, for the children.
pub(crate) const CLONE_NEWPID: Flags = Flags(libc::CLONE_NEWPID);
/// A new time namespace, for the children.
pub(crate) const CLONE_NEWTIME: Flags = Flags(libc::CLONE_NEWTIME);
/// A new user namespace.
pub(crate) const CLONE_NEWUSER: Flags = Flags(libc::CLONE_NEWUSER);
/// A new UTS namespace.
pub(crate) const CLONE_NEWUTS: Flags = Flags(libc::CLONE_NEWUTS);

impl Flags {
    /// As the kernel takes them.
    pub(crate) const fn bits(self) -> i32 {
        self.0
    }

    /// These and others.
    pub(crate) const fn and(self, others: Flags) -> Flags {
        Flags(self.0 | others.0)
    }

    /// These but for some.
    pub(crate) const fn without(self, some: Flags) -> Flags {
        Flags(self.0 & !some.0)
    }

    /// Whether a type is among them.
    pub(crate) const fn contain(self, of: NamespaceType) -> bool {
        self.0 & of.flag() != 0
    }

    /// The types, the user namespace first: it owns what is made in the same call.
    pub(crate) fn types(self) -> impl Iterator<Item = NamespaceType> {
        use NamespaceType::{Cgroup, Ipc, Mnt, Net, Pid, Time, User, Uts};
        [User, Mnt, Pid, Uts, Ipc, Net, Cgroup, Time].into_iter().filter(move |of| self.contain(*of))
    }
}

impl From<NamespaceType> for Flags {
    fn from(of: NamespaceType) -> Self {
        Flags(of.flag())
    }
}

impl FromIterator<NamespaceType> for Flags {
    fn from_iter<I: IntoIterator<Item = NamespaceType>>(types: I) -> Self {
        types.into_iter().fold(Flags::default(), |flags, of| flags | of.into())
    }
}

impl BitOr for Flags {
    type Output = Flags;

    fn bitor(self, other: Flags) -> Flags {
        self.and(other)
    }
}

impl fmt::Display for Flags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == 0 {
            return f.write_str("0");
        }
        f.write_str(&self.types().map(NamespaceType::flag_name).collect::<Vec<_>>().join(" | "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_has_its_own_row() {
        let names = NamespaceType::ALL.map(|of| format!("{of} {} {}", of.flag_name(), of.limit()));
        assert_eq!(names[2], "mnt CLONE_NEWNS max_mnt_namespaces");
        assert!(NamespaceType::ALL.into_iter().all(|of| Flags::from(of).types().eq([of])));
        assert_eq!((CLONE_NEWUTS | CLONE_NEWUSER).to_string(), "CLONE_NEWUSER | CLONE_NEWUTS");
    }
}

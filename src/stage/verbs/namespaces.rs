//! Making, joining and looking at namespaces: unshare(2), setns(2), namespaces(7).

use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};

use nix::errno::Errno;
use nix::sched::{self, CloneFlags};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::observe::namespaces;
use crate::stage::process::{Fd, io_errno};
use crate::stage::{Actor, Stage};
use crate::transcript::{Kind, NamespaceId, Value};

/// Types of namespaces as clone(2), unshare(2) and setns(2) take them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Flags(i32);

/// A new cgroup namespace.
pub const CLONE_NEWCGROUP: Flags = Flags(libc::CLONE_NEWCGROUP);
/// A new IPC namespace.
pub const CLONE_NEWIPC: Flags = Flags(libc::CLONE_NEWIPC);
/// A new network namespace.
pub const CLONE_NEWNET: Flags = Flags(libc::CLONE_NEWNET);
/// A new mount namespace.
pub const CLONE_NEWNS: Flags = Flags(libc::CLONE_NEWNS);
/// A new PID namespace, for the children.
pub const CLONE_NEWPID: Flags = Flags(libc::CLONE_NEWPID);
/// A new user namespace.
pub const CLONE_NEWUSER: Flags = Flags(libc::CLONE_NEWUSER);
/// A new UTS namespace.
pub const CLONE_NEWUTS: Flags = Flags(libc::CLONE_NEWUTS);

impl std::ops::BitOr for Flags {
    type Output = Flags;

    fn bitor(self, other: Flags) -> Flags {
        Flags(self.0 | other.0)
    }
}

impl std::fmt::Display for Flags {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names = [
            (CLONE_NEWUSER, "CLONE_NEWUSER"),
            (CLONE_NEWNS, "CLONE_NEWNS"),
            (CLONE_NEWPID, "CLONE_NEWPID"),
            (CLONE_NEWUTS, "CLONE_NEWUTS"),
            (CLONE_NEWIPC, "CLONE_NEWIPC"),
            (CLONE_NEWNET, "CLONE_NEWNET"),
            (CLONE_NEWCGROUP, "CLONE_NEWCGROUP"),
        ];
        let set: Vec<&str> = names.iter().filter(|(flag, _)| self.0 & flag.0 != 0).map(|(_, name)| *name).collect();
        f.write_str(&set.join(" | "))
    }
}

impl Actor {
    /// Moves the actor into new namespaces of these types (its children, for CLONE_NEWPID): unshare(2).
    ///
    /// # Errors
    /// `EPERM` without CAP_SYS_ADMIN, or for CLONE_NEWUSER inside a chroot; `ENOSPC` at a limit; `EINVAL` where the
    /// kernel does not have a type.
    pub fn unshare(&self, flags: Flags) -> Result<()> {
        self.perform(flags, |me, flags| {
            let args = vec![Value::Text(flags.to_string())];
            me.called("unshare", args, sched::unshare(CloneFlags::from_bits_retain(flags.0)))
        })
    }

    /// Opens a file of /proc that stands for a namespace, such as `/proc/self/ns/uts`: open(2).
    ///
    /// # Errors
    /// Those of open(2).
    pub fn open_namespace(&self, path: &str) -> Result<Fd> {
        self.perform(path.to_owned(), |me, path| {
            let file = File::open(&path).map(OwnedFd::from).map_err(|error| io_errno(&error));
            let file = me.called("open", vec![Value::Text(path)], file)?;
            Ok(me.keep(file))
        })
    }

    /// Moves the actor into the namespace that a file descriptor stands for: setns(2).
    ///
    /// # Errors
    /// `EPERM` without CAP_SYS_ADMIN in the namespace's owner; `EINVAL` for an ancestor's PID namespace.
    pub fn setns(&self, fd: Fd, flags: Flags) -> Result<()> {
        self.perform((fd, flags), |me, (fd, flags)| {
            let joined = sched::setns(me.fd(fd)?, CloneFlags::from_bits_retain(flags.0));
            me.called("setns", vec![Value::from("fd"), Value::Text(flags.to_string())], joined)
        })
    }

    /// Moves the actor into namespaces of another actor: setns(2) with a pidfd, which the director passes to it.
    ///
    /// # Errors
    /// As [`Actor::setns`]; `ESRCH` where the other one has ended.
    pub fn join(&self, other: &Actor, flags: Flags) -> Result<()> {
        let pidfd = Pid::from_raw(other.pid())
            .ok_or(rustix::io::Errno::SRCH)
            .and_then(|pid| pidfd_open(pid, PidfdFlags::empty()));
        let pidfd =
            pidfd.map_err(|errno| Error::refused("pidfd_open", "pidfd_open", Errno::from_raw(errno.raw_os_error())))?;
        let args = (other.name().to_owned(), flags);
        let joined = self.perform_passing(args, Some(pidfd.as_fd()), |me, (other, flags)| {
            let lost = || Error::refused("recvmsg", format!("recvmsg(pidfd of {other})"), Errno::EMFILE);
            let pidfd = me.received.take().ok_or_else(lost)?;
            let joined = sched::setns(pidfd, CloneFlags::from_bits_retain(flags.0));
            let args = vec![Value::Text(format!("pidfd of {other}")), Value::Text(flags.to_string())];
            me.called("setns", args, joined)
        });
        joined.map(|(joined, _)| joined)
    }

    /// The namespace that a file of the actor's own /proc stands for: readlink(2). `file` is a name in `/proc/self/ns`.
    ///
    /// # Errors
    /// `ENOENT` for `pid_for_children` between unshare(2) and the first fork(2).
    pub fn readlink_ns(&self, file: &str) -> Result<NamespaceId> {
        self.perform(file.to_owned(), |me, file| {
            let kind = Kind::ALL.into_iter().find(|kind| file.starts_with(kind.name()));
            let kind = kind.ok_or_else(|| Error::unexpected(&file, "there is no such type of namespace"))?;
            let link = namespaces::read(&format!("self/ns/{file}"), kind).map_err(|error| io_errno(&error));
            me.called("readlink", vec![Value::Text(format!("/proc/self/ns/{file}"))], link)
        })
    }

    /// Becomes root of the user namespace that the actor has just made, as `unshare --map-root-user` does: by writing
    /// `setgroups`, `uid_map` and `gid_map` of /proc/self, user_namespaces(7).
    ///
    /// # Errors
    /// `EPERM` where the maps are written already, or the machine restricts user namespaces.
    pub fn map_root(&self) -> Result<()> {
        self.perform((), |me, ()| {
            me.must_be_off_the_machine(Kind::User, "write")?;
            let writes = [("setgroups", "deny"), ("uid_map", "0 0 1"), ("gid_map", "0 0 1")];
            for (file, text) in writes {
                let path = format!("/proc/self/{file}");
                let written = std::fs::write(&path, text).map_err(|error| io_errno(&error));
                me.called("write", vec![Value::Text(path), Value::Name(text.to_owned())], written)?;
            }
            Ok(())
        })
    }
}

impl Stage {
    /// Whether two actors are in the same namespace of a type.
    ///
    /// # Errors
    /// Where one is gone.
    pub fn same_namespace(&self, one: &Actor, other: &Actor, kind: Kind) -> Result<bool> {
        Ok(self.namespace_of(one, kind)? == self.namespace_of(other, kind)?)
    }
}

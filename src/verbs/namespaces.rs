//! Making, joining and looking at namespaces: unshare(2), setns(2), namespaces(7).

use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};

use nix::errno::Errno;
use nix::sched::{self, CloneFlags};
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use super::files::write_once;
use crate::actors::{Actor, Fd, Purpose};
use crate::args;
use crate::error::{CallResult, Error, Result, errno_of};
use crate::observe::{known_as, namespaces};
use crate::sys;
use crate::transcript::{CLONE_NEWUSER, Flags, NamespaceId, NamespaceType, Object, Value};

impl Actor {
    /// Moves the actor into new namespaces of these types (its children, for CLONE_NEWPID): unshare(2).
    ///
    /// # Errors
    /// `EPERM` without CAP_SYS_ADMIN, or for CLONE_NEWUSER inside a chroot; `ENOSPC` at a limit; `EINVAL` where the
    /// kernel does not have a type.
    pub(crate) fn unshare(&self, flags: Flags) -> Result<()> {
        self.run(flags, |me, flags| {
            me.called("unshare", args![flags], sched::unshare(CloneFlags::from_bits_retain(flags.bits())))
        })
    }

    /// Opens a file of /proc that stands for a namespace, such as `/proc/self/ns/uts`: open(2).
    ///
    /// # Errors
    /// Those of open(2).
    pub(crate) fn open_namespace(&self, path: &str) -> Result<Fd> {
        self.run(path.to_owned(), |me, path| {
            let file = File::open(&path).map(OwnedFd::from).answer_to("open")?;
            let file = me.called("open", args![&path], file)?;
            Ok(me.keep(file, path))
        })
    }

    /// Moves the actor into the namespace that a file descriptor stands for: setns(2).
    ///
    /// # Errors
    /// `EPERM` without CAP_SYS_ADMIN in the namespace's owner; `EINVAL` for an ancestor's PID namespace.
    pub(crate) fn setns(&self, fd: Fd, flags: Flags) -> Result<()> {
        self.run((fd, flags), |me, (fd, flags)| {
            let joined = sched::setns(me.fd(fd)?, CloneFlags::from_bits_retain(flags.bits()));
            me.called("setns", args!["fd", flags], joined)
        })
    }

    /// Moves the actor into namespaces of another actor: setns(2) with a pidfd, which the host opens, pidfd_open(2), and
    /// passes to it, sendmsg(2).
    ///
    /// # Errors
    /// As [`Actor::setns`]; `ESRCH` where the other one has ended.
    pub(crate) fn join(&self, other: &Actor, flags: Flags) -> Result<()> {
        let pidfd = self.take_pidfd_of(other, Purpose::Story)?;
        self.run((pidfd, flags), |me, (pidfd, flags)| {
            let (pidfd, of) = me.give_up(pidfd)?;
            let joined = sched::setns(&pidfd, CloneFlags::from_bits_retain(flags.bits()));
            let in_reach = joined.err().and_then(|_| sys::pidfd_is_in_reach(pidfd.as_fd()).ok());
            let whose = in_reach.map(|in_reach| Object::PidNamespaceOf { in_reach });
            me.about(whose).called("setns", args![of, flags], joined)
        })
    }

    /// The namespace that a file of the actor's own /proc stands for: readlink(2). `file` is a name in `/proc/self/ns`.
    ///
    /// # Errors
    /// `ENOENT` for `pid_for_children` between unshare(2) and the first fork(2).
    pub(crate) fn readlink_ns(&self, file: &str) -> Result<NamespaceId> {
        self.run(file.to_owned(), |me, file| {
            let kind = NamespaceType::ALL.into_iter().find(|kind| file.starts_with(kind.name()));
            let kind = kind.ok_or_else(|| Error::unexpected(&file, "there is no such type of namespace"))?;
            let link = namespaces::read(&format!("self/ns/{file}"), kind).answer_to("readlink")?;
            let childrens = file.ends_with("_for_children").then_some(Object::ForChildren(kind));
            me.about(childrens).called("readlink", vec![Value::Text(format!("/proc/self/ns/{file}"))], link)
        })
    }

    /// The same of another process, as this actor's /proc shows it.
    ///
    /// # Errors
    /// Where that one is gone.
    pub(crate) fn readlink_ns_of(&self, other: &Actor, of: NamespaceType) -> Result<NamespaceId> {
        let pidfd = self.take_pidfd_of(other, Purpose::SetUp)?;
        self.run((pidfd, other.name().to_owned(), of), |me, (pidfd, name, of)| {
            let (pidfd, _) = me.give_up(pidfd)?;
            // The director's number of it means another process in the /proc of another PID namespace.
            let pid = match known_as::number_of(pidfd.as_fd()).answer_to("read")? {
                Err(Errno::ENOENT | Errno::ESRCH) => return Err(Error::Gone(name)),
                pid => pid.or_refused("read", args!["/proc/self/fdinfo"])?,
            };
            match namespaces::read(&format!("{pid}/ns/{of}"), of).answer_to("readlink")? {
                Err(Errno::ENOENT | Errno::ESRCH) => Err(Error::Gone(name)),
                link => me.called("readlink", args![format!("/proc/{pid}/ns/{of}")], link),
            }
        })
    }

    /// Becomes root of the user namespace that the actor has just made, as `unshare --map-root-user` does: by writing
    /// `setgroups`, `uid_map` and `gid_map` of /proc/self, user_namespaces(7).
    ///
    /// # Errors
    /// `EPERM` where the maps are written already, or the machine restricts user namespaces.
    pub(crate) fn map_root(&self) -> Result<()> {
        self.change(CLONE_NEWUSER, "write", (), |me, ()| {
            let writes = [("setgroups", "deny"), ("uid_map", "0 0 1"), ("gid_map", "0 0 1")];
            for (file, text) in writes {
                let path = format!("/proc/self/{file}");
                let written = write_once(&path, text).answer_to("write")?;
                me.called("write", vec![Value::Text(path), Value::Name(text.to_owned())], written)?;
            }
            Ok(())
        })
    }
}

impl Actor {
    /// Puts a pidfd of another actor into this one's keeping. The host opens it, for it knows them all, whatever PID
    /// namespace they are in: pidfd_open(2).
    fn take_pidfd_of(&self, other: &Actor, belongs_to: Purpose) -> Result<Fd> {
        let pid = Pid::from_raw(other.pid()).ok_or(rustix::io::Errno::SRCH);
        let opened = pid.and_then(|pid| pidfd_open(pid, PidfdFlags::empty())).map_err(errno_of);
        let pidfd = self.director_called(belongs_to, "pidfd_open", vec![Value::Pid(other.pid())], opened)?;
        self.pass(pidfd.as_fd(), &format!("pidfd of {}", other.name()), belongs_to)
    }
}

//! Making, joining and looking at namespaces: unshare(2), setns(2), namespaces(7).

use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};

use nix::errno::Errno;
use nix::sched::{self, CloneFlags};
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use crate::actors::{Actor, Fd};
use crate::args;
use crate::error::{CallResult, Error, Result};
use crate::observe::{known_as, namespaces};
use crate::transcript::{CLONE_NEWUSER, Flags, NamespaceId, NamespaceType, Value};

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
            let file = me.called("open", args![path], file)?;
            Ok(me.keep(file))
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

    /// Moves the actor into namespaces of another actor: setns(2) with a pidfd, which the director passes to it.
    ///
    /// # Errors
    /// As [`Actor::setns`]; `ESRCH` where the other one has ended.
    pub(crate) fn join(&self, other: &Actor, flags: Flags) -> Result<()> {
        let pidfd = pidfd_of(other)?;
        let args = (other.name().to_owned(), flags);
        let joined = self.run_passing(args, Some(pidfd.as_fd()), |me, (other, flags)| {
            let pidfd = format!("pidfd of {other}");
            let received = me.received.take().ok_or(Errno::EMFILE).or_refused("recvmsg", args![&pidfd])?;
            let joined = sched::setns(received, CloneFlags::from_bits_retain(flags.bits()));
            me.called("setns", args![pidfd, flags], joined)
        });
        joined.map(|(joined, _)| joined)
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
            me.called("readlink", vec![Value::Text(format!("/proc/self/ns/{file}"))], link)
        })
    }

    /// The same of another process, as this actor's /proc shows it.
    ///
    /// # Errors
    /// Where that one is gone.
    pub(crate) fn readlink_ns_of(&self, other: &Actor, of: NamespaceType) -> Result<NamespaceId> {
        let pidfd = pidfd_of(other)?;
        let args = (other.name().to_owned(), of);
        let link = self.run_passing(args, Some(pidfd.as_fd()), |me, (name, of)| {
            let pidfd = me.received.take().ok_or(Errno::EMFILE).or_refused("recvmsg", args![&name])?;
            // The director's number of it means another process in the /proc of another PID namespace.
            let pid = match known_as::number_of(pidfd.as_fd()).answer_to("read")? {
                Err(Errno::ENOENT | Errno::ESRCH) => return Err(Error::Gone(name)),
                pid => pid.or_refused("read", args!["/proc/self/fdinfo"])?,
            };
            match namespaces::read(&format!("{pid}/ns/{of}"), of).answer_to("readlink")? {
                Err(Errno::ENOENT | Errno::ESRCH) => Err(Error::Gone(name)),
                link => me.called("readlink", args![format!("/proc/{pid}/ns/{of}")], link),
            }
        });
        link.map(|(link, _)| link)
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
                let written = std::fs::write(&path, text).answer_to("write")?;
                me.called("write", vec![Value::Text(path), Value::Name(text.to_owned())], written)?;
            }
            Ok(())
        })
    }
}

/// A pidfd of an actor, for another one: pidfd_open(2).
fn pidfd_of(actor: &Actor) -> Result<OwnedFd> {
    let pid = Pid::from_raw(actor.pid()).ok_or(rustix::io::Errno::SRCH);
    pid.and_then(|pid| pidfd_open(pid, PidfdFlags::empty())).or_refused("pidfd_open", args![])
}

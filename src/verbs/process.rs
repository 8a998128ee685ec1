//! Processes: fork(2), clone(2), kill(2), wait(2), and their numbers.

use std::os::fd::OwnedFd;

use nix::errno::Errno;
use nix::sys::signal::{self, Signal};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{self, Pid};
use serde::{Deserialize, Serialize};

use crate::actors::{Actor, ReturnValue};
use crate::args;
use crate::error::{CallResult, Error, Result, retried};
use crate::observe::{ProcessRow, processes};
use crate::stage::Stage;
use crate::sys;
use crate::transcript::{CLONE_NEWPID, Event, Look, Value};

/// How a process ended, as its parent learns it from waitpid(2).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct End {
    /// The process id, as the parent knows it.
    pub pid: i32,
    /// The number of the signal that killed it; else it exited by itself.
    signal: Option<i32>,
}

impl End {
    /// How it ended: `killed by SIGTERM`, or `exited`.
    pub(crate) fn how(&self) -> String {
        self.killed_by().map_or_else(|| "exited".to_owned(), |signal| format!("killed by {signal}"))
    }

    /// The signal that killed it.
    pub(crate) fn killed_by(&self) -> Option<Signal> {
        Signal::try_from(self.signal?).ok()
    }
}

impl ReturnValue for End {
    fn value(&self) -> Value {
        Value::Text(format!("{}, {}", self.pid, self.how()))
    }
}

impl Actor {
    /// Starts an actor as a child of this one, without a word about it: a stage direction.
    ///
    /// # Errors
    /// Those of fork(2).
    pub(crate) fn start(&self, name: &str) -> Result<Actor> {
        let (pid, fd) = self.run_passing(name.to_owned(), None, |me, name| {
            let pid = me.fork_actor(&name, 0)?;
            pid.map(Pid::as_raw).or_refused("fork", args![])
        })?;
        self.new_child(name, pid, fd)
    }

    /// Forks a child that plays on under its own name: fork(2).
    ///
    /// # Errors
    /// `ENOMEM` where the PID namespace that the child would be in has lost its PID 1; `ENOSPC` and `EAGAIN` at limits.
    pub(crate) fn fork(&self, name: &str) -> Result<Actor> {
        let (pid, fd) = self.run_passing(name.to_owned(), None, |me, name| {
            let pid = me.fork_actor(&name, 0)?;
            me.called("fork", vec![], pid).map(Pid::as_raw)
        })?;
        self.new_child(name, pid, fd)
    }

    fn new_child(&self, name: &str, pid: i32, fd: Option<OwnedFd>) -> Result<Actor> {
        // A message comes without its file descriptor where the receiver has as many as it may: unix(7).
        let fd = fd.ok_or(Errno::EMFILE).or_refused("recvmsg", args![format!("SCM_RIGHTS of {name}")])?;
        self.child(name, pid, fd)
    }

    /// The actor's own process id: getpid(2), by the C library.
    ///
    /// # Errors
    /// None.
    pub(crate) fn getpid(&self) -> Result<i32> {
        self.run((), |me, ()| me.called("getpid", vec![], Ok(unistd::getpid())).map(Pid::as_raw))
    }

    /// The actor's own process id by the bare system call, past any cache in the C library.
    ///
    /// # Errors
    /// None.
    pub(crate) fn getpid_syscall(&self) -> Result<i32> {
        self.run((), |me, ()| {
            let pid = Pid::from_raw(sys::getpid_syscall());
            me.called("syscall", vec![Value::from("SYS_getpid")], Ok(pid)).map(Pid::as_raw)
        })
    }

    /// The process id of the actor's parent; 0 where it is outside of the actor's PID namespace: getppid(2).
    ///
    /// # Errors
    /// None.
    pub(crate) fn getppid(&self) -> Result<i32> {
        self.run((), |me, ()| me.called("getppid", vec![], Ok(unistd::getppid())).map(Pid::as_raw))
    }

    /// Sends a signal to the process that this actor knows as `pid`: kill(2).
    ///
    /// # Errors
    /// `ESRCH` where the actor's PID namespace has no such process; `EPERM` where it is not the actor's to signal.
    pub(crate) fn kill(&self, pid: i32, signal: Signal) -> Result<()> {
        self.roster().may_end_of(self.pid(), pid, signal)?;
        self.change(CLONE_NEWPID, "kill", (pid, signal as i32), |me, (pid, signal)| {
            let signal = Signal::try_from(signal).or_refused("kill", args![])?;
            let args = vec![Value::Pid(pid), Value::from(signal.as_str())];
            me.called("kill", args, signal::kill(Pid::from_raw(pid), signal))
        })
    }

    /// Waits until a child of this actor has ended, and takes its exit status: waitpid(2).
    ///
    /// # Errors
    /// `ECHILD` where it is no child of this actor.
    pub(crate) fn waitpid(&self, pid: i32) -> Result<End> {
        let whom = self.roster().known_as(self.pid(), pid);
        let end = self.run(pid, |me, pid| {
            let end = retried(|| waitpid(Pid::from_raw(pid), None)).map(|status| match status {
                WaitStatus::Signaled(pid, signal, _) => End { pid: pid.as_raw(), signal: Some(signal as i32) },
                status => End { pid: status.pid().map_or(pid, Pid::as_raw), signal: None },
            });
            me.called("waitpid", vec![Value::Pid(pid)], end)
        })?;
        if let (Some(whom), Some(signal)) = (whom, end.killed_by()) {
            self.roster().was_killed(whom, signal)?;
        }
        Ok(end)
    }

    /// Ends this actor's process: _exit(2).
    ///
    /// # Errors
    /// Where it is gone already.
    pub(crate) fn exit(&self) -> Result<()> {
        self.roster().may_end(self.pid());
        let ended = self.run((), |me, ()| {
            me.called("_exit", vec![Value::Number(0)], Ok(Value::from("?")))?;
            sys::exit(0)
        });
        match ended {
            Ok(()) | Err(Error::Gone(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Lets this child of the host end, without a word about it, and waits until it has: a stage direction for one whose
    /// part is over.
    ///
    /// # Errors
    /// `ECHILD` where it is no child of the host.
    pub(crate) fn leave(self) -> Result<()> {
        self.roster().may_end(self.pid());
        match self.run((), |_, ()| -> Result<()> { sys::exit(0) }) {
            Ok(()) | Err(Error::Gone(_)) => {}
            Err(error) => return Err(error),
        }
        // The channel is closed early in a process's end. Whoever looks around now must not find it half gone.
        let reaped = retried(|| waitpid(Pid::from_raw(self.pid()), None));
        reaped.map(drop).or_refused("waitpid", vec![Value::Pid(self.pid())])
    }

    /// Nests PID namespaces as deep as the kernel lets this actor: how many, and the errno of the one that was refused.
    ///
    /// # Errors
    /// Where a process of the chain was lost.
    pub(crate) fn nest_pid_namespaces(&self) -> Result<(usize, Option<Errno>)> {
        let (depth, errno) = self.change(CLONE_NEWPID, "clone", (), |me, ()| {
            let chain = || Error::Gone("the chain of PID namespaces".to_owned());
            let (depth, errno) = sys::nest_pid_namespaces().map_err(|_| chain())?;
            let flags = || args![CLONE_NEWPID];
            me.called_times(depth, "clone", flags(), Ok(Value::from("a level more")), None)?;
            // The refusal is the answer.
            let refused: Result<()> = me.called("clone", flags(), Err(errno));
            Ok((depth, refused.err().and_then(|error| error.errno()).map(|errno| errno as i32)))
        })?;
        Ok((depth, errno.map(Errno::from_raw)))
    }

    /// The processes that the actor's /proc lists.
    ///
    /// # Errors
    /// Where the actor has no /proc.
    pub(crate) fn processes(&self) -> Result<Vec<ProcessRow>> {
        self.run((), |_, ()| processes::list().or_refused("read", args!["/proc"]))
    }

    /// Shows the actor's numbers, and returns those from the outermost PID namespace that its /proc knows to its own:
    /// `NSpid:` in proc(5). The program puts the machine's number before them.
    ///
    /// # Errors
    /// Where the actor's /proc does not list it.
    pub(crate) fn nspid(&self) -> Result<Vec<i32>> {
        self.run((), |me, ()| {
            let pids = processes::own_pids().or_refused("read", args!["/proc/self/status"])?;
            // By the actor itself, not by the director: the machine's number is that of whoever sends this.
            let numbers = || pids.iter().copied().map(Value::Pid);
            let line = numbers().map(|pid| Value::Right(7, Box::new(pid)));
            let look = Look::table("pids", "grep NSpid /proc/self/status", &[], Vec::new())
                .about("pids", Value::List(numbers().collect()))
                .printed(vec![std::iter::once("NSpid:".into()).chain(line).collect()]);
            me.log.event(Event::Saw { actor: me.name.clone(), look });
            Ok(pids)
        })
    }
}

impl Stage {
    /// Shows what processes an actor sees, and returns them.
    ///
    /// # Errors
    /// As [`Actor::processes`].
    pub(crate) fn ps(&self, actor: &Actor) -> Result<Vec<ProcessRow>> {
        let rows = actor.processes()?;
        let row = |row: &ProcessRow| vec![Value::Pid(row.pid), Value::Pid(row.ppid), (&row.command).into()];
        let columns = ["pid", "ppid", "command"];
        self.show(actor, Look::table("processes", "ps -eo pid,ppid,comm", &columns, rows.iter().map(row).collect()));
        Ok(rows)
    }

    /// Waits until the kernel has ended an actor's process.
    pub(crate) fn wait_until_gone(&self, actor: &Actor) {
        actor.wait_until_gone();
    }
}

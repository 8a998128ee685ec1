//! Processes: clone3(2), clone(2), kill(2), wait(2), and their numbers.

use std::os::fd::OwnedFd;

use nix::errno::Errno;
use nix::sys::signal::{self, Signal};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{self, Pid};
use serde::{Deserialize, Serialize};

use crate::actors::{Actor, Process, Purpose, ReturnValue};
use crate::args;
use crate::error::{CallResult, Error, Result, retried};
use crate::observe::{ProcessRow, processes};
use crate::stage::Stage;
use crate::sys::{self, Nested};
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
    /// Starts an actor as a child of this one, as set-up.
    ///
    /// # Errors
    /// Those of clone3(2).
    pub(crate) fn start(&self, name: &str) -> Result<Actor> {
        let (pid, fd) = self.run_receiving(name.to_owned(), |me, name| {
            let pid = me.fork_actor(&name, 0)?;
            me.set_up("clone3", plain_child(), pid).map(Pid::as_raw)
        })?;
        self.new_child(name, pid, fd)
    }

    /// Makes a child that plays on under its own name, and names no new namespace: clone3(2).
    ///
    /// # Errors
    /// `ENOMEM` where the PID namespace that the child would be in has lost its PID 1; `ENOSPC` and `EAGAIN` at limits.
    pub(crate) fn fork(&self, name: &str) -> Result<Actor> {
        let (pid, fd) = self.run_receiving(name.to_owned(), |me, name| {
            let pid = me.fork_actor(&name, 0)?;
            me.called("clone3", plain_child(), pid).map(Pid::as_raw)
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

    /// Lets this child of the host end, as set-up, and waits until it has: for one whose part is over.
    ///
    /// # Errors
    /// `ECHILD` where it is no child of the host.
    pub(crate) fn leave(self) -> Result<()> {
        self.roster().may_end(self.pid());
        let ends = |me: &mut Process, ()| -> Result<()> {
            me.set_up("_exit", vec![Value::Number(0)], Ok(Value::from("?")))?;
            sys::exit(0)
        };
        match self.run((), ends) {
            Ok(()) | Err(Error::Gone(_)) => {}
            Err(error) => return Err(error),
        }
        // The channel is closed early in a process's end. Whoever looks around now must not find it half gone.
        let reaped = retried(|| waitpid(Pid::from_raw(self.pid()), None));
        let reaped = reaped.map(|_| Pid::from_raw(self.pid()));
        self.director_called(Purpose::SetUp, "waitpid", vec![Value::Pid(self.pid())], reaped).map(drop)
    }

    /// Nests PID namespaces as deep as the kernel lets this actor: how many, and the errno of the one that was refused.
    ///
    /// The actor makes the first, the first process in there the next, and so on; these processes are called `level1`,
    /// `level2`, … by their depth below the actor.
    ///
    /// # Errors
    /// Where a process of the chain was lost.
    pub(crate) fn nest_pid_namespaces(&self) -> Result<(usize, Option<Errno>)> {
        let (depth, errno) = self.change(CLONE_NEWPID, "clone", (), |me, ()| {
            let chain = || Error::Gone("the chain of PID namespaces".to_owned());
            let Nested { made, refused } = sys::nest_pid_namespaces().map_err(|_| chain())?;
            for (level, times, pid) in runs(&made) {
                me.remark = (times > 1).then(|| "the first process of each level makes the next level".to_owned());
                me.called_by(&at_levels(&me.name, level, times), times, "clone", args![CLONE_NEWPID], Ok(pid))?;
            }
            // The refusal is the answer.
            let deepest = at_levels(&me.name, made.len(), 1);
            let refused: Result<()> = me.called_by(&deepest, 1, "clone", args![CLONE_NEWPID], Err(refused));
            Ok((made.len(), refused.err().and_then(|error| error.errno()).map(|errno| errno as i32)))
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

    /// Shows the actor's numbers, and returns them, from the outermost PID namespace that its /proc knows to its own:
    /// `NSpid:` in proc(5).
    ///
    /// # Errors
    /// Where the actor's /proc does not list it.
    pub(crate) fn nspid(&self) -> Result<Vec<i32>> {
        self.run((), |me, ()| {
            let pids = processes::own_pids().or_refused("read", args!["/proc/self/status"])?;
            let look = Look::numbers("NSpid in /proc/self/status", pids.iter().copied().map(Value::Pid));
            me.log.event(Event::Saw { actor: me.name.clone(), look });
            Ok(pids)
        })
    }

    /// The same line as the program reads it, which runs outside the stage and has the machine's /proc.
    ///
    /// # Errors
    /// Where the program's /proc does not list the actor.
    pub(crate) fn nspid_outside(&self) -> Result<Vec<i32>> {
        self.run((), |me, ()| {
            let on_the_stage = processes::own_pids().or_refused("read", args!["/proc/self/status"])?.len();
            // By the actor itself, not by the director: the program looks at whoever sends this.
            me.log.look_at_me(on_the_stage)
        })
    }
}

/// The arguments of a clone3(2) that is no more than fork(2): none of its flags.
fn plain_child() -> Vec<Value> {
    args!["flags=0"]
}

impl Stage {
    /// Shows what processes an actor sees, and returns them.
    ///
    /// # Errors
    /// As [`Actor::processes`].
    pub(crate) fn ps(&self, actor: &Actor) -> Result<Vec<ProcessRow>> {
        let rows = actor.processes()?;
        self.show(actor, processes_look("ps -eo pid,ppid,comm", &rows));
        Ok(rows)
    }

    /// The same as a look of nslearn's own: no ps(1) is among the processes, and none must find itself in this /proc.
    ///
    /// # Errors
    /// As [`Actor::processes`].
    pub(crate) fn list_proc(&self, actor: &Actor) -> Result<Vec<ProcessRow>> {
        let rows = actor.processes()?;
        self.show(actor, processes_look("the processes in /proc", &rows));
        Ok(rows)
    }
}

/// The makers of a chain of PID namespaces, by their level, how many in a row had the same answer, and that answer. The
/// first stands for itself: it is an actor.
fn runs(made: &[Pid]) -> Vec<(usize, usize, Pid)> {
    let mut runs: Vec<(usize, usize, Pid)> = Vec::new();
    for (level, pid) in made.iter().enumerate() {
        match runs.last_mut() {
            Some((from, times, same)) if *from > 0 && same == pid => *times += 1,
            _ => runs.push((level, 1, *pid)),
        }
    }
    runs
}

/// What so many levels of a chain that begins with this actor are called, from this one on.
fn at_levels(first: &str, level: usize, times: usize) -> String {
    match (level, times) {
        (0, _) => first.to_owned(),
        (_, 1) => format!("level{level}"),
        _ => format!("level{level}-{}", level + times - 1),
    }
}

fn processes_look(like: &str, rows: &[ProcessRow]) -> Look {
    let row = |row: &ProcessRow| vec![Value::Pid(row.pid), Value::Pid(row.ppid), (&row.command).into()];
    Look::table("processes", like, &["pid", "ppid", "command"], rows.iter().map(row).collect())
}

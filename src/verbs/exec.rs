//! Becoming another program: execve(2).

use std::ffi::CString;
use std::io::{BufRead, BufReader};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use nix::errno::Errno;
use nix::unistd::{dup2_stdin, dup2_stdout, execv};

use crate::actors::{Actor, Fd, Process, Purpose};
use crate::args;
use crate::error::{CallResult, Error, Result};
use crate::observe::kernel_file;
use crate::stage::Stage;
use crate::transcript::{Answer, Call, Called, Event, Value};

/// How long a program may take until it has printed its first line.
const PATIENCE: Duration = Duration::from_secs(5);

/// What a program reads and writes: an end of a connection, for a stage property.
const STREAM: &str = "an end of a connection";

impl Stage {
    /// Lets an actor become another program, execve(2), and waits for the first line that it prints. A program that reads
    /// its standard input then waits there until the stage goes. The actor takes no more orders; its process can be looked
    /// at.
    ///
    /// # Errors
    /// Those of execve(2), such as `ENOENT`; where the program ends and has printed no line, or prints none in five seconds.
    pub(crate) fn execve(&self, actor: &Actor, program: &str, args: &[&str]) -> Result<String> {
        let (ours, its) = UnixStream::pair().or_refused("socketpair", args!["AF_UNIX"])?;
        // One that could not read what it was to print may be waiting for its standard input already.
        let waits = ours.set_read_timeout(Some(PATIENCE)).answer_to("setsockopt")?;
        actor.director_called(Purpose::SetUp, "setsockopt", args!["SO_RCVTIMEO"], waits)?;
        // This end is open until the stage goes.
        self.host().pass(ours.as_fd(), STREAM, Purpose::SetUp)?;
        let streams = actor.pass(its.as_fd(), STREAM, Purpose::SetUp)?;
        drop(its);
        let args: Vec<String> = args.iter().map(ToString::to_string).collect();
        // With a new program all that the actor has open is closed, the end of its channel among it.
        actor.roster().may_end(actor.pid());
        actor.begin((streams, program.to_owned(), args.clone()), |me, (streams, program, args)| {
            let errno = become_program(me, streams, &program, &args)?;
            me.called("execve", called_with(&program, &args), Err(errno))
        })?;
        match actor.hear::<()>() {
            Err(Error::Gone(_)) => {}
            refused => refused.and(Err(Error::unexpected("execve", "it returned")))?,
        }
        let mut line = Vec::new();
        let read = BufReader::new(ours).read_until(b'\n', &mut line).or_lost("read", args![program])?;
        if read == 0 {
            return Err(Error::Gone(actor.name().to_owned()));
        }
        // The caller cannot tell of a call that does not return to it.
        let (name, call) = (actor.name().to_owned(), Call::new("execve", called_with(program, &args)));
        let answer = Answer::Returned(Value::Number(0));
        let event = Event::Called(Called { actor: name, call, answer, times: 1, set_up: false, remark: None });
        self.host().run(event, |me, event| {
            me.log.event(event);
            Ok(())
        })?;
        Ok(kernel_file::shown(line.trim_ascii_end()).into_owned())
    }
}

/// Returns only where it is refused.
fn become_program(me: &Process, streams: Fd, program: &str, args: &[String]) -> Result<Errno> {
    // Not one of the standard streams itself: that would be closed on the way.
    let streams: OwnedFd = me.fd(streams)?.try_clone_to_owned().or_refused("fcntl", args!["F_DUPFD"])?;
    dup2_stdin(&streams).and(dup2_stdout(&streams)).or_refused("dup2", args!["a stream"])?;
    let string = |text: &str| CString::new(text).map_err(|why| Error::unexpected(text, why));
    let args: Vec<CString> = args.iter().map(|arg| string(arg)).collect::<Result<_>>()?;
    Ok(match execv(&string(program)?, &args) {
        Err(errno) => errno,
        Ok(never) => match never {},
    })
}

/// As strace(1) shows it, without the environment.
fn called_with(program: &str, args: &[String]) -> Vec<Value> {
    let quoted: Vec<String> = args.iter().map(|arg| format!("{arg:?}")).collect();
    vec![Value::Name(program.to_owned()), Value::Text(format!("[{}]", quoted.join(", ")))]
}

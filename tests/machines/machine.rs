//! What a machine is, and how one is played.

use std::path::Path;

use nix::errno::Errno;
use nix::unistd::geteuid;
use syscalls::Sysno;

use super::cgroup;
use crate::errors::as_root_of_nothing;
use crate::supervisor::{Call, Filter, Verdict};
use crate::support::{End, Lab, Run, Who};

/// A machine that does not allow everything, or that looks as if it did not.
pub struct Machine {
    pub name: &'static str,
    /// The causes that the doctor must find, and no others.
    pub causes: &'static [&'static str],
    /// The doctor's exit status.
    pub status: i32,
    /// Words that must stand in the reason or in the remedy of what is missing.
    pub says: &'static [&'static str],
    /// Words that must not stand there, as they lead nowhere on this machine.
    pub never_says: &'static [&'static str],
    /// Whether it is known beforehand what each lesson goes without.
    pub is_exact: bool,
    /// Whether the kernel itself takes seconds there: it is looked at beside the others, and once.
    pub is_slow: bool,
    how: How,
}

/// By what a machine is played.
pub enum How {
    /// By a script that root of a new user namespace with a new mount namespace runs. It ends by starting `"$0"`.
    Script(&'static str),
    /// By a script that root of this machine runs.
    AsRoot(&'static str),
    /// By a script that a plain user runs.
    AsPlainUser(&'static str),
    /// By a filter in front of all that.
    Behind(fn() -> Filter, &'static How),
    /// By a judge of these calls of the program's, behind a script as the first.
    Judge(&'static [Sysno], fn(&Call<'_>) -> Verdict, &'static str),
    /// By a cgroup with room for so many processes, in which a plain user runs the program.
    Room(u32),
}

/// How long one run may take: less than the program's own patience with its stage.
const PATIENCE: &str = "25";

impl Machine {
    pub const fn new(name: &'static str, how: How) -> Machine {
        Machine { name, causes: &[], status: 0, says: &[], never_says: &[], is_exact: true, is_slow: false, how }
    }

    /// With these causes, and this exit status of the doctor's.
    pub const fn ails(mut self, causes: &'static [&'static str], status: i32) -> Machine {
        self.causes = causes;
        self.status = status;
        self
    }

    /// With these words of what is missing.
    pub const fn says(mut self, words: &'static [&'static str]) -> Machine {
        self.says = words;
        self
    }

    /// Without these.
    pub const fn never_says(mut self, words: &'static [&'static str]) -> Machine {
        self.never_says = words;
        self
    }

    /// Where it depends on the moment what a lesson goes without.
    pub const fn by_the_moment(mut self) -> Machine {
        self.is_exact = false;
        self
    }

    /// Where the kernel itself takes seconds.
    pub const fn slowly(mut self) -> Machine {
        self.is_slow = true;
        self
    }

    pub fn can_be_played(&self) -> bool {
        match self.how {
            How::AsRoot(_) => geteuid().is_root(),
            How::Room(_) => geteuid().is_root() && cgroup::can_limit_processes(),
            _ => true,
        }
    }

    pub fn run(&self, lab: &Lab, args: &str) -> End {
        let end =
            match &self.how {
                How::Judge(watched, judge, script) => {
                    let program = lab.program();
                    let run = as_root_of_nothing(lab, &format!("{script} {args}"));
                    run.judged(watched, |call| {
                        if call.exe().as_ref() == Some(&program) { judge(call) } else { Verdict::Continue }
                    })
                }
                How::Room(processes) => {
                    let room = cgroup::Room::new(*processes);
                    patient(lab.shell(&format!("{} {args}", room.script()))).end()
                }
                how => how.command(lab, args).end(),
            };
        assert_ne!(end.code(), 124, "{}: {args} hangs: {end:?}", self.name);
        end
    }
}

impl How {
    /// The command that runs the program on such a machine, where it takes no more than a command.
    fn command(&self, lab: &Lab, args: &str) -> Run {
        match self {
            How::Script(script) => patient(as_root_of_nothing(lab, &format!("{script} {args}"))),
            How::AsRoot(script) => patient(lab.shell(&format!("{script} {args}"))),
            How::AsPlainUser(script) => patient(lab.shell(&format!("{script} {args}")).by(Who::PlainUser)),
            How::Behind(filter, how) => how.command(lab, args).behind(filter()),
            How::Judge(..) | How::Room(_) => unreachable!("it takes more than a command"),
        }
    }
}

/// Ended where it hangs.
fn patient(run: Run) -> Run {
    run.under(&["timeout", "--kill-after=1", PATIENCE])
}

/// The program as a plain user with this limit: prlimit(1).
pub fn limited(lab: &Lab, limit: &str, args: &str) -> End {
    patient(as_root_of_nothing(lab, &format!("exec prlimit {limit} \"$0\" {args}"))).end()
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

/// As AppArmor's profile for user namespaces that no other profile speaks of: there is one, and nothing to do with it.
pub fn no_capability(call: &Call<'_>) -> Verdict {
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

pub fn no_user_namespace(call: &Call<'_>, errno: Errno) -> Verdict {
    if flags(call) & libc::CLONE_NEWUSER == 0 { Verdict::Continue } else { Verdict::Refuse(errno) }
}

/// As a security module does it: it is asked once the kernel has found nothing else wrong with the call, such as flags that
/// do not go together.
pub fn module_forbids_user_namespaces(call: &Call<'_>) -> Verdict {
    let contradictory = 1 | libc::CLONE_FS;
    if flags(call) & contradictory == 0 { no_user_namespace(call, Errno::EACCES) } else { Verdict::Continue }
}

/// The same of mounts: the place has been found by then.
pub fn module_forbids_mounts(call: &Call<'_>) -> Verdict {
    let target = call.read_string(call.args[1]).unwrap_or_default();
    let is_there = !target.starts_with('/') || Path::new(&format!("/proc/{}/root{target}", call.pid)).exists();
    if is_there { Verdict::Refuse(Errno::EACCES) } else { Verdict::Continue }
}

pub fn no_time(call: &Call<'_>) -> Verdict {
    if flags(call) & libc::CLONE_NEWTIME == 0 { Verdict::Continue } else { Verdict::Refuse(Errno::EINVAL) }
}

/// A kind of interface that no kernel has takes the place of one: so this kernel answers as one without it does.
pub fn no_such(call: &Call<'_>, kind: &[u8], other: &[u8]) -> Verdict {
    call.replace(call.args[1], usize::try_from(call.args[2]).unwrap_or_default(), kind, other);
    Verdict::Continue
}

pub fn no_protocol(call: &Call<'_>, protocol: i32) -> Verdict {
    let asked = (call.args[0], call.args[2]);
    let number = |number: i32| u64::from(number.unsigned_abs());
    if asked == (number(libc::AF_NETLINK), number(protocol)) {
        return Verdict::Refuse(Errno::EPROTONOSUPPORT);
    }
    Verdict::Continue
}

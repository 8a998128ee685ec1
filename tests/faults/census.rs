//! The calls that a lesson makes, and where: by their kinds, and by what the verb that makes them asks of the kernel.

use std::collections::BTreeMap;

use syscalls::Sysno;

use crate::supervisor::Call;

/// Where a call is made, as far as lessons have it in common: its kind, by whom it is made, and what it is about.
pub(super) type Place = (Sysno, String);

/// How often a lesson makes each kind of call, and which of them are made at which place. The first is 1.
#[derive(Debug, Default)]
pub(super) struct Census {
    program: Option<i32>,
    pub(super) kinds: BTreeMap<Sysno, usize>,
    pub(super) places: BTreeMap<Place, Vec<usize>>,
}

impl Census {
    pub(super) fn count(&mut self, call: &Call<'_>) {
        let program = *self.program.get_or_insert(call.pid);
        let number = self.kinds.entry(call.sysno).or_default();
        *number += 1;
        let number = *number;
        let maker = if call.pid == program { "program" } else { director_or_actor(call.pid) };
        let place = (call.sysno, format!("{maker}: {}", what_about(call)));
        self.places.entry(place).or_default().push(number);
    }
}

fn director_or_actor(pid: i32) -> &'static str {
    let name = crate::support::read_text(format!("/proc/{pid}/comm")).unwrap_or_default();
    if name.trim_end() == "init" { "director" } else { "actor" }
}

/// What a call is about, without what differs from lesson to lesson and from run to run.
fn what_about(call: &Call<'_>) -> String {
    let text = |address| numberless(&call.read_string(address).unwrap_or_default());
    let [first, second, third, fourth, ..] = call.args;
    match call.sysno {
        Sysno::open | Sysno::stat | Sysno::lstat | Sysno::readlink | Sysno::chdir | Sysno::chroot | Sysno::mkdir => {
            text(first)
        }
        Sysno::openat | Sysno::newfstatat | Sysno::statx | Sysno::readlinkat | Sysno::mkdirat => text(second),
        Sysno::mount => format!("{} on {} with {fourth:x}", text(third), text(second)),
        Sysno::umount2 => format!("{} with {second:x}", text(first)),
        Sysno::clone3 => format!("{:x?}", call.read(first, 8)),
        // The type and the flags of a netlink message.
        Sysno::sendto => format!("{:x?}", call.read(second, 8).map(|head| head[4..].to_vec())),
        Sysno::prctl | Sysno::unshare | Sysno::setresuid | Sysno::setresgid => format!("{first:x}"),
        Sysno::socket | Sysno::socketpair => format!("{first:x} {second:x} {third:x}"),
        Sysno::setsockopt | Sysno::getsockopt => format!("{second:x} {third:x}"),
        Sysno::fcntl | Sysno::ioctl | Sysno::setns => format!("{second:x}"),
        Sysno::read
        | Sysno::write
        | Sysno::sendmsg
        | Sysno::recvmsg
        | Sysno::recvfrom
        | Sysno::fstat
        | Sysno::lseek => numberless(&call.fd_target(first).unwrap_or_default().to_string_lossy()),
        _ => String::new(),
    }
}

fn numberless(text: &str) -> String {
    text.chars().filter(|letter| !letter.is_ascii_digit()).collect()
}

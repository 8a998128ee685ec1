//! Another machine, played to the program: a seccomp filter refuses system calls by itself, or has a supervisor in this
//! process judge each of them, with a look at its arguments: seccomp_unotify(2). What is judged so is counted over all
//! processes, and the kernel does the rest for real.
//!
//! For x86-64 alone; elsewhere [`can_play`] says no, and the tests skip.
#![allow(unsafe_code)]

pub mod filter;
mod played;

use std::fs::{self, File};
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::{MaybeUninit, zeroed};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::fs::FileExt;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use libc::{SECCOMP_USER_NOTIF_FLAG_CONTINUE, seccomp_notif, seccomp_notif_resp, sock_filter};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, SocketFlags, SocketType, recvmsg, sendmsg, socketpair, sockopt::set_socket_passcred,
};
use rustix::process::{PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use syscalls::Sysno;

pub use self::filter::{Filter, Test};
use crate::support::available;

/// The file descriptor over which the program-to-be hands over the filter's listener. The filter lets that one message
/// through: until it has arrived there is nobody to judge it. Nothing else ever has a descriptor of so high a number.
const HANDOVER: RawFd = 900;

/// How long a judged program may take, where nothing else is said.
const PATIENCE: Duration = Duration::from_secs(60);

/// Whether another machine can be played here; if not, says so loudly.
pub fn can_play() -> bool {
    available(cfg!(target_arch = "x86_64"), "the filters that play another machine are for x86-64")
}

/// What becomes of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The kernel makes it.
    Continue,
    /// It is not made, and fails so.
    Refuse(Errno),
    /// It is not made, and returns this as if it had been.
    Return(i64),
}

/// A system call that waits for its verdict, and with it the process that makes it.
#[derive(Debug)]
pub struct Call<'a> {
    /// The process, as this one knows it.
    pub pid: i32,
    pub sysno: Sysno,
    pub args: [u64; 6],
    id: u64,
    listener: BorrowedFd<'a>,
}

impl Call<'_> {
    /// What is in the process's memory; `None` where that cannot be read, or the process is gone.
    pub fn read(&self, address: u64, length: usize) -> Option<Vec<u8>> {
        let mut bytes = vec![0; length];
        self.memory(false)?.read_exact_at(&mut bytes, address).ok()?;
        Some(bytes)
    }

    /// A C string in the process's memory, such as a path.
    pub fn read_string(&self, address: u64) -> Option<String> {
        const LONGEST: u64 = 4096;
        let memory = self.memory(false)?;
        let byte = |at| {
            let mut byte = [0];
            memory.read_exact_at(&mut byte, at).ok().map(|()| byte[0])
        };
        let bytes = (address..address + LONGEST).map_while(byte).take_while(|byte| *byte != 0).collect();
        String::from_utf8(bytes).ok()
    }

    /// Puts other bytes into the process's memory; whether that worked.
    pub fn write(&self, address: u64, bytes: &[u8]) -> bool {
        self.memory(true).is_some_and(|memory| memory.write_all_at(bytes, address).is_ok())
    }

    /// Replaces each occurrence of a word in a part of the process's memory by another one of the same length: how many.
    pub fn replace(&self, address: u64, length: usize, word: &[u8], other: &[u8]) -> usize {
        assert_eq!(word.len(), other.len(), "the bytes around it must stay where they are");
        let Some(mut bytes) = self.read(address, length) else { return 0 };
        let found = |bytes: &[u8]| bytes.windows(word.len()).position(|window| window == word);
        let mut count = 0;
        while let Some(place) = found(&bytes).filter(|_| word != other) {
            bytes[place..place + word.len()].copy_from_slice(other);
            count += 1;
        }
        if count > 0 && self.write(address, &bytes) { count } else { 0 }
    }

    /// What one of the process's file descriptors stands for: `/proc/PID/fd`.
    pub fn fd_target(&self, fd: u64) -> Option<PathBuf> {
        fs::read_link(format!("/proc/{}/fd/{fd}", self.pid)).ok().filter(|_| self.waits())
    }

    /// The program that the process runs.
    pub fn exe(&self) -> Option<PathBuf> {
        fs::read_link(format!("/proc/{}/exe", self.pid)).ok().filter(|_| self.waits())
    }

    fn memory(&self, writable: bool) -> Option<File> {
        let memory = File::options().read(true).write(writable).open(format!("/proc/{}/mem", self.pid)).ok();
        memory.filter(|_| self.waits())
    }

    /// Whether the process still waits: if it was killed, its number may be another's by now.
    fn waits(&self) -> bool {
        // SAFETY: the ioctl reads the id, which outlives the call.
        unsafe { libc::ioctl(self.listener.as_raw_fd(), libc::SECCOMP_IOCTL_NOTIF_ID_VALID, &raw const self.id) == 0 }
    }
}

/// Has a command run behind a filter. Neither this process nor anything else that it starts is behind it.
pub fn put_behind(command: &mut Command, filter: &Filter) {
    let program = filter.program();
    // SAFETY: between fork and exec the closure makes two system calls; it allocates nothing and takes no lock.
    unsafe { command.pre_exec(move || install(&program, 0).map(drop)) };
}

/// The place where commands are put under a supervisor: see [`supervise`].
#[derive(Debug)]
pub struct Bench {
    program: Vec<sock_filter>,
    handover: Arc<OwnedFd>,
}

impl Bench {
    /// Has a command run under the supervisor: one in all.
    pub fn put_before(&self, command: &mut Command) {
        let (program, handover) = (self.program.clone(), Arc::clone(&self.handover));
        // SAFETY: between fork and exec the closure makes system calls; it allocates nothing and takes no lock.
        unsafe { command.pre_exec(move || install_and_hand_over(&program, handover.as_fd())) };
    }
}

/// Runs `act`, in which one command is started that was [put before](Bench::put_before) the supervisor. That one judges each
/// of the watched calls of the command's processes, all of them, in the order in which they are made, until they are gone.
/// Also says whether that took too long: then the command was killed.
pub fn supervise<R>(
    watched: &[Sysno],
    patience: Duration,
    judge: impl FnMut(&Call<'_>) -> Verdict + Send,
    act: impl FnOnce(&Bench) -> R,
) -> (R, bool) {
    let (ours, theirs) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None).unwrap();
    set_socket_passcred(&ours, true).unwrap();
    let handed_over = Test::is(0, HANDOVER.unsigned_abs());
    let filter = Filter::allowing().allow_where(Sysno::sendmsg, handed_over).watch(watched);
    let bench = Bench { program: filter.program(), handover: Arc::new(theirs) };
    thread::scope(|scope| {
        let supervisor = scope.spawn(move || match take_over(ours) {
            Some((listener, command)) => judge_all(&listener, &command, patience, judge),
            None => false,
        });
        let result = act(&bench);
        // Where nothing was started, the supervisor learns by this that nothing will be.
        drop(bench);
        (result, supervisor.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
    })
}

/// The same without a limit worth speaking of, which must not be reached.
#[track_caller]
pub fn judged<R>(
    watched: &[Sysno],
    judge: impl FnMut(&Call<'_>) -> Verdict + Send,
    act: impl FnOnce(&Bench) -> R,
) -> R {
    let (result, late) = supervise(watched, PATIENCE, judge, act);
    assert!(!late, "what was judged did not end within {PATIENCE:?}");
    result
}

/// In the process that is to be the program: puts the filter up, and sends its listener over.
fn install_and_hand_over(program: &[sock_filter], handover: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: dup3(2) touches no memory, and nothing has this number: see above. It goes with exec.
    if unsafe { libc::dup3(handover.as_raw_fd(), HANDOVER, libc::O_CLOEXEC) } == -1 {
        return Err(io::Error::last_os_error());
    }
    let flags = libc::SECCOMP_FILTER_FLAG_NEW_LISTENER | libc::SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV;
    let listener = install(program, flags)?;
    // SAFETY: the kernel has just made this descriptor for this process. It must not be closed before exec closes it, for
    // that may be a call that is judged; so it is only borrowed.
    let listener = unsafe { BorrowedFd::borrow_raw(listener) };
    // SAFETY: it was made above, and stays open until exec.
    let handover = unsafe { BorrowedFd::borrow_raw(HANDOVER) };
    let fds = [listener];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    ancillary.push(SendAncillaryMessage::ScmRights(&fds));
    sendmsg(handover, &[IoSlice::new(b"!")], &mut ancillary, SendFlags::NOSIGNAL)?;
    Ok(())
}

/// Puts a filter up for this process and all that come from it: seccomp(2).
fn install(program: &[sock_filter], flags: libc::c_ulong) -> io::Result<RawFd> {
    let length = u16::try_from(program.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
    let program = libc::sock_fprog { len: length, filter: program.as_ptr().cast_mut() };
    // SAFETY: the program outlives the call, which reads it.
    let put_up =
        || unsafe { libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, flags, &raw const program) };
    let mut listener = put_up();
    if listener == -1 && Errno::last() == Errno::EACCES {
        // Whoever may not do everything has to do without set-user-ID programs from here on.
        nix::sys::prctl::set_no_new_privs()?;
        listener = put_up();
    }
    if listener == -1 {
        return Err(io::Error::last_os_error());
    }
    RawFd::try_from(listener).map_err(|_| io::ErrorKind::InvalidData.into())
}

/// Waits for the listener, and for the process that sends it; `None` where none will come.
fn take_over(from: OwnedFd) -> Option<(OwnedFd, OwnedFd)> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1), ScmCredentials(1))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let mut byte = [0];
    let received = rustix::io::retry_on_intr(|| {
        recvmsg(&from, &mut [IoSliceMut::new(&mut byte)], &mut ancillary, RecvFlags::CMSG_CLOEXEC)
    });
    received.ok()?;
    let (mut listener, mut command) = (None, None);
    for message in ancillary.drain() {
        match message {
            RecvAncillaryMessage::ScmRights(mut fds) => listener = fds.next(),
            RecvAncillaryMessage::ScmCredentials(sender) => command = pidfd_open(sender.pid, PidfdFlags::empty()).ok(),
            _ => {}
        }
    }
    listener.zip(command)
}

/// Judges calls until there is nobody left who could make one. Whether that took too long.
fn judge_all(
    listener: &OwnedFd,
    command: &OwnedFd,
    patience: Duration,
    mut judge: impl FnMut(&Call<'_>) -> Verdict,
) -> bool {
    /// How long the stage may outlive a command that was killed.
    const AFTERMATH: Duration = Duration::from_secs(2);
    be_quick(listener);
    let (mut end, mut late) = (Instant::now() + patience, false);
    loop {
        let mut ready = [PollFd::new(listener.as_fd(), PollFlags::POLLIN)];
        // A millisecond more, for a time that was rounded down to none is not yet over.
        let left = end.saturating_duration_since(Instant::now()) + Duration::from_millis(1);
        match poll(&mut ready, PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX)) {
            Err(Errno::EINTR) => continue,
            Err(errno) => panic!("poll of a seccomp listener: {errno}"),
            Ok(_) => {}
        }
        if Instant::now() > end {
            if late {
                return late;
            }
            (end, late) = (Instant::now() + AFTERMATH, true);
            let _ = pidfd_send_signal(command, Signal::KILL);
        }
        let seen = ready[0].revents().unwrap_or(PollFlags::empty());
        if seen.contains(PollFlags::POLLIN) {
            judge_next(listener, &mut judge);
        } else if seen.intersects(PollFlags::POLLHUP | PollFlags::POLLERR) {
            return late;
        }
    }
}

/// `SECCOMP_IOCTL_NOTIF_SET_FLAGS` with `SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP`: whoever waits for whom is on one CPU then,
/// which takes a third of the time. Where the kernel does not have it (before Linux 6.6), it takes longer.
fn be_quick(listener: &OwnedFd) {
    const SYNC_WAKE_UP: u64 = 1;
    // SAFETY: the ioctl takes a number and touches no memory.
    unsafe { libc::ioctl(listener.as_raw_fd(), libc::SECCOMP_IOCTL_NOTIF_SET_FLAGS, SYNC_WAKE_UP) };
}

fn judge_next(listener: &OwnedFd, judge: &mut impl FnMut(&Call<'_>) -> Verdict) {
    // SAFETY: it is made of numbers, for all of which 0 is one; and the kernel wants it so.
    let mut call: seccomp_notif = unsafe { zeroed() };
    // SAFETY: the kernel writes a seccomp_notif there, and the place outlives the call.
    if unsafe { libc::ioctl(listener.as_raw_fd(), libc::SECCOMP_IOCTL_NOTIF_RECV, &raw mut call) } == -1 {
        // The caller was killed since: there is nothing to judge any more.
        return;
    }
    let number = usize::try_from(call.data.nr).ok().and_then(Sysno::new);
    let sysno = number.expect("only calls that have a name are watched");
    let pid = call.pid.cast_signed();
    let verdict = judge(&Call { pid, sysno, args: call.data.args, id: call.id, listener: listener.as_fd() });
    let mut answer = seccomp_notif_resp { id: call.id, val: 0, error: 0, flags: 0 };
    match verdict {
        Verdict::Continue => answer.flags = u32::try_from(SECCOMP_USER_NOTIF_FLAG_CONTINUE).expect("one bit"),
        Verdict::Refuse(errno) => answer.error = -(errno as i32),
        Verdict::Return(value) => answer.val = value,
    }
    // SAFETY: the kernel reads a seccomp_notif_resp there, and the place outlives the call. Where it fails, the caller
    // was killed meanwhile.
    unsafe { libc::ioctl(listener.as_raw_fd(), libc::SECCOMP_IOCTL_NOTIF_SEND, &raw mut answer) };
}

//! Processes: clone3(2) and what a forked child needs.

use std::mem::size_of;

use nix::errno::Errno;
use nix::unistd::Pid;

use super::checked;

/// Which side of a fork this is.
#[derive(Debug, Clone, Copy)]
pub enum Forked {
    /// The caller; with the child's process id in the caller's PID namespace.
    Parent(Pid),
    /// The child.
    Child,
}

/// Makes a child in new namespaces: clone3(2) with `flags` (`CLONE_NEW*`; 0 makes it a plain fork(2)) and SIGCHLD. With
/// `CLONE_PARENT` among them it is a sibling: the caller's parent is its parent as well, and hears of its end.
///
/// This is the bare system call, without the C library's fork handlers: nslearn has one thread and registers none.
///
/// # Errors
/// Those of clone3(2): see the table in DESIGN.md for what they mean on which machine.
pub fn clone3(flags: libc::c_int) -> nix::Result<Forked> {
    // A sibling has the caller's own exit signal; clone3(2) takes no other.
    let exit_signal = if flags & libc::CLONE_PARENT == 0 { libc::SIGCHLD } else { 0 };
    let mut arguments = libc::clone_args {
        flags: u64::from(flags.cast_unsigned()),
        pidfd: 0,
        child_tid: 0,
        parent_tid: 0,
        exit_signal: u64::from(exit_signal.cast_unsigned()),
        stack: 0,
        stack_size: 0,
        tls: 0,
        set_tid: 0,
        set_tid_size: 0,
        cgroup: 0,
    };
    // SAFETY: the arguments are a clone_args of the size that is passed along and outlive the call. Without CLONE_VM
    // the child has a copy of the memory and of the stack of this one-threaded process, as after fork(2).
    let result = unsafe { libc::syscall(libc::SYS_clone3, &raw mut arguments, size_of::<libc::clone_args>()) };
    match i32::try_from(checked(result)?) {
        Ok(0) => Ok(Forked::Child),
        Ok(pid) => Ok(Forked::Parent(Pid::from_raw(pid))),
        Err(_) => Err(Errno::EOVERFLOW),
    }
}

/// Ends this process at once: _exit(2). No destructor, no buffer, no handler of the process that it was forked from
/// runs.
pub fn exit(status: i32) -> ! {
    // SAFETY: _exit(2) does not return and touches no memory.
    unsafe { libc::_exit(status) }
}

/// The process id by the system call itself, past any cache of the C library: getpid(2).
pub fn getpid_syscall() -> i32 {
    // SAFETY: getpid(2) has no arguments and cannot fail.
    let pid = unsafe { libc::syscall(libc::SYS_getpid) };
    i32::try_from(pid).unwrap_or_default()
}

/// Lets this process look at itself, and those that it forks: prctl(2), `PR_SET_DUMPABLE`. The kernel keeps the files in
/// /proc from a user who may execute a program and not read it, for there they could read it all the same. This one's
/// source is no secret. A program that has more rights than its user keeps them to itself.
pub fn look_at_oneself() {
    // SAFETY: getauxval(3) reads what the kernel has put beside the environment.
    if unsafe { libc::getauxval(libc::AT_SECURE) } == 0 {
        let _ = nix::sys::prctl::set_dumpable(true);
    }
}

/// PID namespaces in each other, as far as the kernel let them be made.
#[derive(Debug)]
pub struct Nested {
    /// What clone(2) returned to whoever made each level, from the outermost: the number of the level's first process in
    /// the PID namespace of its maker.
    pub made: Vec<Pid>,
    /// The errno of the level that was refused.
    pub refused: Errno,
}

/// Nests PID namespaces in each other, each made by the first process of the one before, until the kernel refuses. All
/// are gone when this returns.
///
/// # Errors
/// `ECHILD` where a process of the chain was killed: then there is no answer.
pub fn nest_pid_namespaces() -> nix::Result<Nested> {
    let mut answer = Nested { made: Vec::new(), refused: Errno::UnknownErrno };
    nest(&mut answer);
    // The deepest one answers first.
    answer.made.reverse();
    if answer.refused == Errno::UnknownErrno { Err(Errno::ECHILD) } else { Ok(answer) }
}

/// One level: a child in a new PID namespace does the next. CLONE_VM and CLONE_VFORK lend it this process's memory
/// until it is gone, so that 31 levels cost little more than 31 system calls and the answer is simply written.
fn nest(answer: &mut Nested) {
    const STACK: usize = 16 * 1024;
    extern "C" fn child(argument: *mut libc::c_void) -> libc::c_int {
        // SAFETY: `argument` is the `answer` below, which its owner lends out until this child has ended: it is
        // suspended by CLONE_VFORK meanwhile, so nobody else uses it.
        nest(unsafe { &mut *argument.cast::<Nested>() });
        0
    }
    let mut stack = vec![0_u8; STACK];
    let top = stack.as_mut_ptr_range().end;
    let flags = libc::CLONE_NEWPID | libc::CLONE_VM | libc::CLONE_VFORK | libc::SIGCHLD;
    // SAFETY: the child runs `child` on a stack of its own, which lives until the child is gone (CLONE_VFORK), and
    // ends by returning; it calls nothing but this function, which works only on `answer` and the heap that both
    // share while one of them is suspended.
    let pid = unsafe { libc::clone(child, top.cast(), flags, std::ptr::from_mut(answer).cast()) };
    if pid == -1 {
        answer.refused = Errno::last();
        return;
    }
    answer.made.push(Pid::from_raw(pid));
    let mut status = 0;
    // SAFETY: `status` outlives the call.
    while unsafe { libc::waitpid(pid, &raw mut status, 0) } == -1 && Errno::last() == Errno::EINTR {}
}

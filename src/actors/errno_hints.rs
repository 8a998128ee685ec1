//! What an errno means for the call that it came from: the manual pages' reasons, in the words of a lesson.

use nix::errno::Errno;

use crate::transcript::{CLONE_NEWPID, Call};

/// The meaning of `errno` as an answer to `call`, where the lessons meet it.
pub(crate) fn hint(call: &Call, errno: Errno) -> Option<&'static str> {
    let names = |file: &str| call.words().any(|word| word.ends_with(file));
    Some(match (call.syscall.as_str(), errno) {
        ("sethostname" | "setdomainname", Errno::EPERM) => {
            "it takes CAP_SYS_ADMIN in the user namespace that owns this UTS namespace"
        }
        ("sethostname" | "setdomainname", Errno::EINVAL) => "the name is longer than 64 bytes",
        ("unshare", Errno::EPERM) => "the kernel makes no user namespace for a process that is inside a chroot",
        ("unshare", Errno::EINVAL) if call.asks_for() == CLONE_NEWPID => {
            "the children's PID namespace is chosen already, and empty still"
        }
        ("unshare", Errno::EINVAL) => "this kernel was built without this type of namespace",
        ("write", Errno::EACCES) if names("timens_offsets") => {
            "somebody is in that namespace already: its offsets stay as they are"
        }
        ("write", Errno::ERANGE) if names("timens_offsets") => "the clock would show less than zero",
        ("kill", Errno::ESRCH) => "there is no process of that number in the caller's PID namespace",
        ("setns", Errno::EINVAL) => "into one's own PID namespace or one below it, yes; up and out of it, no",
        ("fork", Errno::ENOMEM) => "its PID namespace has no PID 1 any more, and takes no new process",
        ("fork" | "clone", Errno::ENOSPC) => "a limit on namespaces is reached; it has nothing to do with disks",
        ("readlink", Errno::ENOENT) if names("pid_for_children") => {
            "unshared, but not made yet: the first child will be its PID 1"
        }
        ("readlink", Errno::ESRCH) => "no such process any more",
        ("connect", Errno::ENETUNREACH) => "no route leads there: this network has no interface that is up",
        ("connect", Errno::ECONNREFUSED) => "the network works, but nobody listens there",
        ("bind", Errno::EADDRINUSE) => "somebody listens on this port of this network already",
        ("open" | "openat", Errno::ENOENT) => "from here there is no such file",
        _ => return None,
    })
}

//! Seccomp filters, as the kernel takes them: seccomp(2). They are put together by hand, because no crate knows the answer
//! "ask the supervisor", and because those that there are take a filter for each errno.

use libc::{
    BPF_ABS, BPF_ALU, BPF_AND, BPF_JEQ, BPF_JMP, BPF_K, BPF_LD, BPF_RET, BPF_W, SECCOMP_RET_ALLOW, SECCOMP_RET_DATA,
    SECCOMP_RET_ERRNO, SECCOMP_RET_USER_NOTIF, sock_filter,
};
use nix::errno::Errno;
use syscalls::Sysno;

/// `AUDIT_ARCH_X86_64` of `linux/audit.h`: numbers of system calls mean something on one architecture only.
const X86_64: u32 = 0xc000_003e;

/// Where the parts of a `seccomp_data` lie.
const NUMBER: u32 = 0;
const ARCHITECTURE: u32 = 4;
const ARGUMENTS: u32 = 16;

/// What a filter looks for in an argument. It sees the lower half of it, which is all that flags and numbers have.
#[derive(Debug, Clone, Copy)]
pub struct Test {
    argument: u32,
    mask: u32,
    value: u32,
    /// Whether it is met where the masked argument has this value, or where it has another.
    equal: bool,
}

impl Test {
    /// One of these bits is set in the argument (the first is 0).
    pub fn any_of(argument: u32, bits: u32) -> Test {
        Test { argument, mask: bits, value: 0, equal: false }
    }

    /// The argument has this value.
    pub fn is(argument: u32, value: u32) -> Test {
        Test::masked(argument, u32::MAX, value)
    }

    /// The argument has this value, its other bits aside.
    pub fn masked(argument: u32, bits: u32, value: u32) -> Test {
        Test { argument, mask: bits, value, equal: true }
    }
}

/// What is answered to which system calls. The first rule that fits counts.
#[derive(Debug, Clone)]
pub struct Filter {
    rules: Vec<(Sysno, Option<Test>, u32)>,
    otherwise: u32,
}

impl Filter {
    /// Lets everything through for which there is no rule.
    pub fn allowing() -> Filter {
        Filter { rules: Vec::new(), otherwise: SECCOMP_RET_ALLOW }
    }

    /// Refuses everything for which there is no rule. The program can be started only if execve(2) is allowed.
    pub fn refusing(errno: Errno) -> Filter {
        Filter { rules: Vec::new(), otherwise: error(errno) }
    }

    /// Lets these through.
    pub fn allow(self, calls: &[Sysno]) -> Filter {
        self.rule(calls, None, SECCOMP_RET_ALLOW)
    }

    /// Lets this one through where its argument is so.
    pub fn allow_where(self, call: Sysno, test: Test) -> Filter {
        self.rule(&[call], Some(test), SECCOMP_RET_ALLOW)
    }

    /// Refuses these.
    pub fn refuse(self, calls: &[Sysno], errno: Errno) -> Filter {
        self.rule(calls, None, error(errno))
    }

    /// Refuses this one where its argument is so.
    pub fn refuse_where(self, call: Sysno, test: Test, errno: Errno) -> Filter {
        self.rule(&[call], Some(test), error(errno))
    }

    /// Has the supervisor judge these.
    pub fn watch(self, calls: &[Sysno]) -> Filter {
        self.rule(calls, None, SECCOMP_RET_USER_NOTIF)
    }

    fn rule(mut self, calls: &[Sysno], test: Option<Test>, answer: u32) -> Filter {
        self.rules.extend(calls.iter().map(|call| (*call, test, answer)));
        self
    }

    /// The filter as a program for the kernel.
    pub fn program(&self) -> Vec<sock_filter> {
        let mut program = vec![load(ARCHITECTURE), choose(X86_64, 1, 0), answer(SECCOMP_RET_ALLOW)];
        for (call, test, ret) in &self.rules {
            program.push(load(NUMBER));
            let number = u32::try_from(call.id()).expect("system calls have small numbers");
            match test {
                None => program.push(choose(number, 0, 1)),
                Some(Test { argument, mask, value, equal }) => {
                    program.push(choose(number, 0, 4));
                    program.push(load(ARGUMENTS + 8 * argument));
                    program.push(step(BPF_ALU | BPF_AND | BPF_K, *mask, 0, 0));
                    program.push(if *equal { choose(*value, 0, 1) } else { choose(*value, 1, 0) });
                }
            }
            program.push(answer(*ret));
        }
        program.push(answer(self.otherwise));
        program
    }
}

/// What Docker's default profile does to a container that was given no capability besides Docker's usual ones: the calls
/// that it allows only together with CAP_SYS_ADMIN and the like, and those that it does not know. Of the latter, those
/// with which a program about namespaces could do something. The source: seccomp/default.json of the repository
/// moby/profiles on GitHub.
pub fn docker() -> Filter {
    /// `CLONE_NEWNS`, `CLONE_NEWCGROUP`, `CLONE_NEWUTS`, `CLONE_NEWIPC`, `CLONE_NEWUSER`, `CLONE_NEWPID` and
    /// `CLONE_NEWNET`: 2114060288 in the profile.
    const NAMESPACES: u32 = 0x7e02_0000;
    Filter::allowing()
        .refuse(&[Sysno::clone3], Errno::ENOSYS)
        .refuse_where(Sysno::clone, Test::any_of(0, NAMESPACES), Errno::EPERM)
        .refuse(&WITH_CAPABILITIES, Errno::EPERM)
        .refuse(&UNKNOWN, Errno::EPERM)
}

const WITH_CAPABILITIES: [Sysno; 33] = [
    Sysno::acct,
    Sysno::bpf,
    Sysno::delete_module,
    Sysno::fanotify_init,
    Sysno::finit_module,
    Sysno::fsconfig,
    Sysno::fsmount,
    Sysno::fsopen,
    Sysno::fspick,
    Sysno::init_module,
    Sysno::kcmp,
    Sysno::mount,
    Sysno::mount_setattr,
    Sysno::move_mount,
    Sysno::open_by_handle_at,
    Sysno::open_tree,
    Sysno::perf_event_open,
    Sysno::pidfd_getfd,
    Sysno::process_madvise,
    Sysno::quotactl,
    Sysno::quotactl_fd,
    Sysno::reboot,
    Sysno::set_mempolicy,
    Sysno::setdomainname,
    Sysno::sethostname,
    Sysno::setns,
    Sysno::settimeofday,
    Sysno::clock_settime,
    Sysno::syslog,
    Sysno::umount2,
    Sysno::unshare,
    Sysno::vhangup,
    Sysno::mbind,
];

const UNKNOWN: [Sysno; 10] = [
    Sysno::add_key,
    Sysno::io_uring_enter,
    Sysno::io_uring_register,
    Sysno::io_uring_setup,
    Sysno::keyctl,
    Sysno::kexec_load,
    Sysno::pivot_root,
    Sysno::request_key,
    Sysno::swapon,
    Sysno::userfaultfd,
];

fn error(errno: Errno) -> u32 {
    SECCOMP_RET_ERRNO | ((errno as i32).unsigned_abs() & SECCOMP_RET_DATA)
}

fn load(offset: u32) -> sock_filter {
    step(BPF_LD | BPF_W | BPF_ABS, offset, 0, 0)
}

/// Goes on after `equal` steps where what was loaded has this value, else after `other`.
fn choose(value: u32, equal: u8, other: u8) -> sock_filter {
    step(BPF_JMP | BPF_JEQ | BPF_K, value, equal, other)
}

fn answer(answer: u32) -> sock_filter {
    step(BPF_RET | BPF_K, answer, 0, 0)
}

fn step(code: u32, k: u32, jt: u8, jf: u8) -> sock_filter {
    sock_filter { code: u16::try_from(code).expect("codes are short"), jt, jf, k }
}

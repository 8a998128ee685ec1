//! Parts of the kernel that may be modules: whether one could be loaded, as far as modprobe's files show it.

use std::path::Path;

use nix::errno::Errno;

use super::machine::{release, text};
use super::{Diagnosis, advice};
use crate::transcript::{Call, LinkKind, NetlinkPart, Object};

/// What modprobe(8) knows of a module.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Known {
    /// There is a file of it.
    Loadable,
    /// It is part of the kernel.
    BuiltIn,
    /// This kernel comes without it, or takes no modules.
    Missing,
    /// The files are not here.
    Untold,
}

/// The reason, where the kernel says that it does not have something which may be a module.
pub(super) fn diagnose(call: &Call, errno: Errno) -> Option<Diagnosis> {
    let says_no = matches!(
        errno,
        Errno::EOPNOTSUPP | Errno::EPROTONOSUPPORT | Errno::EAFNOSUPPORT | Errno::ENOENT | Errno::EINVAL
    );
    let module = module(call).filter(|_| says_no)?;
    let release = release();
    let files = ["modules.dep", "modules.builtin"].map(|file| text(format!("/lib/modules/{release}/{file}")));
    // Where there is a /proc at all.
    let takes_none = Path::new("/proc/filesystems").exists() && !Path::new("/proc/modules").exists();
    match look(module, &files, takes_none) {
        Known::Loadable => Some(advice::module(module, "modprobe(8) has it in its list, modules.dep")),
        Known::Untold => Some(advice::module(
            module,
            "whether there is one for this kernel does not show, for modprobe(8) has no list",
        )),
        Known::Missing => Some(advice::kernel_without(module, &release)),
        Known::BuiltIn => None,
    }
}

/// The module of the kernel that a call is about.
fn module(call: &Call) -> Option<&'static str> {
    match call.object {
        Some(Object::Link(LinkKind::Veth)) => Some("veth"),
        Some(Object::Link(LinkKind::Bridge)) => Some("bridge"),
        Some(Object::Netlink(NetlinkPart::Netfilter)) => Some("nf_tables"),
        Some(Object::Netlink(NetlinkPart::SockDiag)) => Some("tcp_diag"),
        _ => None,
    }
}

fn look(module: &str, [loadable, built_in]: &[String; 2], takes_none: bool) -> Known {
    // `kernel/drivers/net/veth.ko.xz: …`, with either of - and _ in the name.
    let names = |list: &str| {
        list.lines().any(|line| {
            let path = line.split(':').next().unwrap_or_default();
            let file = path.rsplit('/').next().unwrap_or_default();
            file.split_once(".ko").is_some_and(|(name, _)| name.replace('-', "_") == module)
        })
    };
    if names(built_in) {
        Known::BuiltIn
    } else if names(loadable) {
        Known::Loadable
    } else if takes_none || !loadable.is_empty() {
        Known::Missing
    } else {
        Known::Untold
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modprobes_files_tell_what_is_a_module_what_is_built_in_and_what_is_not_there() {
        let files = |loadable: &str, built_in: &str| [loadable.to_owned(), built_in.to_owned()];
        let lists = files(
            "kernel/drivers/net/veth.ko.xz:\nkernel/net/ipv4/tcp-diag.ko: kernel/x.ko\n",
            "kernel/net/bridge/bridge.ko\n",
        );
        assert_eq!(look("veth", &lists, false), Known::Loadable);
        assert_eq!(look("tcp_diag", &lists, false), Known::Loadable);
        assert_eq!(look("bridge", &lists, false), Known::BuiltIn);
        assert_eq!(look("nf_tables", &lists, false), Known::Missing);
        assert_eq!(look("nf_tables", &files("", ""), false), Known::Untold);
        assert_eq!(look("nf_tables", &files("", ""), true), Known::Missing);
    }
}

//! The names of a UTS namespace: uts_namespaces(7).

use indexmap::IndexMap;
use nix::sys::utsname::uname;
use nix::unistd;

use crate::actors::Actor;
use crate::error::Result;
use crate::observe::kernel_file;
use crate::stage::Stage;
use crate::sys;
use crate::transcript::{CLONE_NEWUTS, Object, Value};

impl Actor {
    /// The hostname: gethostname(2).
    ///
    /// # Errors
    /// None that Linux documents for a buffer that is large enough.
    pub(crate) fn gethostname(&self) -> Result<String> {
        self.run((), |me, ()| {
            let name = unistd::gethostname().map(|name| name.to_string_lossy().into_owned());
            me.called("gethostname", vec![], name)
        })
    }

    /// Changes the hostname of the actor's UTS namespace: sethostname(2).
    ///
    /// # Errors
    /// `EPERM` without CAP_SYS_ADMIN in the owning user namespace; `EINVAL` for more than 64 bytes.
    pub(crate) fn sethostname(&self, name: &str) -> Result<()> {
        self.change(CLONE_NEWUTS, "sethostname", name.to_owned(), |me, name| {
            let set = unistd::sethostname(&name);
            me.about(Object::NameOf { bytes: name.len() }).called("sethostname", vec![shown(&name)], set)
        })
    }

    /// The NIS domain name: getdomainname(2), which the C library reads from uname(2).
    ///
    /// # Errors
    /// None that Linux documents.
    pub(crate) fn getdomainname(&self) -> Result<String> {
        self.run((), |me, ()| {
            let name = uname().map(|names| names.domainname().to_string_lossy().into_owned());
            me.called("getdomainname", vec![], name)
        })
    }

    /// Changes the NIS domain name of the actor's UTS namespace: setdomainname(2).
    ///
    /// # Errors
    /// As [`Actor::sethostname`].
    pub(crate) fn setdomainname(&self, name: &str) -> Result<()> {
        self.change(CLONE_NEWUTS, "setdomainname", name.to_owned(), |me, name| {
            let set = sys::setdomainname(&name);
            me.about(Object::NameOf { bytes: name.len() }).called("setdomainname", vec![shown(&name)], set)
        })
    }

    /// The kernel's release: uname(2).
    ///
    /// # Errors
    /// None that Linux documents.
    pub(crate) fn uname_release(&self) -> Result<Value> {
        self.run((), |me, ()| {
            let release = uname().map(|names| Value::Kernel(names.release().to_string_lossy().into_owned()));
            me.called("uname", vec![], release)
        })
    }

    /// What a file says: open(2) and read(2), without the line's end.
    ///
    /// # Errors
    /// Those of open(2).
    pub(crate) fn cat(&self, path: &str) -> Result<String> {
        self.run(path.to_owned(), |me, path| {
            let bytes = kernel_file::read(path.as_str());
            let text = bytes.map(|bytes| kernel_file::shown(bytes.trim_ascii_end()).into_owned());
            me.called("read", vec![Value::Text(path)], text)
        })
    }
}

impl Stage {
    /// The hostnames that actors have now, each as the kernel tells it to them.
    ///
    /// # Errors
    /// As [`Actor::gethostname`].
    pub(crate) fn hostnames(&self, actors: &[&Actor]) -> Result<IndexMap<String, Value>> {
        actors.iter().map(|actor| Ok((actor.name().to_owned(), Value::Name(actor.gethostname()?)))).collect()
    }
}

/// A name that is too long for a line, as strace(1) would cut it.
fn shown(name: &str) -> Value {
    const LONG: usize = 24;
    if name.len() <= LONG {
        return Value::Name(name.to_owned());
    }
    let start: String = name.chars().take(6).collect();
    Value::Text(format!("{start:?}... /* {} bytes */", name.len()))
}

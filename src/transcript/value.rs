//! The typed values of a transcript. A value keeps its type until it is shown, so that what is volatile (a
//! namespace's inode, a MAC address) can be told from what is not.

use std::fmt;

use nix::errno::Errno;

use serde::{Deserialize, Serialize};

use super::clock::{Ahead, Reading};
use super::namespace::{Flags, NamespaceType};

/// A namespace, by its inode: what `readlink /proc/PID/ns/TYPE` prints.
#[derive(Debug, Clone, Copy, Eq, Serialize, Deserialize)]
pub(crate) struct NamespaceId {
    /// Its type.
    pub kind: NamespaceType,
    /// Its inode in the kernel's nsfs.
    pub inode: u64,
    /// The letter that a reader knows it by; given by [`super::Letters`].
    pub letter: Option<char>,
}

impl PartialEq for NamespaceId {
    fn eq(&self, other: &Self) -> bool {
        self.kind == other.kind && self.inode == other.inode
    }
}

impl fmt::Display for NamespaceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:[{}]", self.kind, self.inode)
    }
}

/// The hardware address of a network interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub(crate) struct MacAddress(pub [u8; 6]);

impl fmt::Display for MacAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

/// A value in a transcript.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Value {
    /// Words, flags, paths: shown as they are.
    Text(String),
    /// A string that was passed to the kernel or came from it: shown in quotes where it stands for itself.
    Name(String),
    /// A number.
    Number(i64),
    /// A process id on the stage or in one of its containers.
    Pid(i32),
    /// A process id as the machine outside the stage counts: volatile.
    MachinePid(i32),
    /// A namespace: volatile.
    Namespace(NamespaceId),
    /// Types of namespaces, as flags.
    Flags(Flags),
    /// A hardware address: volatile.
    Mac(MacAddress),
    /// Several values.
    List(Vec<Value>),
    /// No value, where others have one.
    Nothing,
    /// A value at the right end of so many columns.
    Right(usize, Box<Value>),
    /// The kernel's release: differs from machine to machine.
    Kernel(String),
    /// A file or directory, by its device and its inode, as stat(2) tells them: volatile.
    Inode {
        /// The device's major and minor number.
        device: (u32, u32),
        /// The inode.
        inode: u64,
    },
    /// What a clock showed, as people say it: volatile.
    Time(Reading),
    /// The same in seconds.
    Seconds(Reading),
}

impl Value {
    /// Whether it is a number: such stand at the right of a column.
    pub(crate) fn is_number(&self) -> bool {
        matches!(self, Value::Number(_) | Value::Pid(_) | Value::MachinePid(_) | Value::Seconds(_) | Value::Nothing)
    }

    /// The value as an argument or a result of a call: strings in quotes, as strace(1) shows them.
    pub(crate) fn quoted(&self) -> String {
        match self {
            Value::Name(name) => format!("{name:?}"),
            other => other.to_string(),
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Text(text) | Value::Name(text) | Value::Kernel(text) => f.pad(text),
            Value::Number(number) => write!(f, "{number}"),
            Value::Pid(pid) | Value::MachinePid(pid) => write!(f, "{pid}"),
            Value::Namespace(id) => write!(f, "{id}"),
            Value::Flags(flags) => write!(f, "{flags}"),
            Value::Mac(mac) => write!(f, "{mac}"),
            Value::List(values) => f.write_str(&values.iter().map(Value::to_string).collect::<Vec<_>>().join(",")),
            Value::Nothing => Ok(()),
            Value::Right(width, value) => write!(f, "{:>width$}", value.to_string()),
            Value::Inode { device: (major, minor), inode } => write!(f, "inode {inode} of {major}:{minor}"),
            Value::Time(reading) => write!(f, "{reading}"),
            Value::Seconds(reading) => write!(f, "{}", reading.seconds),
        }
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Value::Text(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Value::Text(text)
    }
}

impl From<u32> for Value {
    fn from(number: u32) -> Self {
        Value::Number(number.into())
    }
}

impl From<MacAddress> for Value {
    fn from(mac: MacAddress) -> Self {
        Value::Mac(mac)
    }
}

impl<T: Into<Value>> From<Vec<T>> for Value {
    fn from(values: Vec<T>) -> Self {
        Value::List(values.into_iter().map(Into::into).collect())
    }
}

impl From<&String> for Value {
    fn from(text: &String) -> Self {
        Value::Text(text.clone())
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Value::Number(number)
    }
}

impl From<usize> for Value {
    fn from(number: usize) -> Self {
        Value::Number(i64::try_from(number).unwrap_or(i64::MAX))
    }
}

impl From<Flags> for Value {
    fn from(flags: Flags) -> Self {
        Value::Flags(flags)
    }
}

impl From<NamespaceId> for Value {
    fn from(id: NamespaceId) -> Self {
        Value::Namespace(id)
    }
}

impl From<Ahead> for Value {
    fn from(ahead: Ahead) -> Self {
        Value::Text(ahead.to_string())
    }
}

/// What a call came to: the errno with which the kernel refused it, or 0.
impl From<Option<Errno>> for Value {
    fn from(refusal: Option<Errno>) -> Self {
        Value::Text(refusal.map_or_else(|| "0".to_owned(), |errno| format!("{errno:?}")))
    }
}

/// What shows that a claim holds: words and values, in reading order.
pub(crate) type Evidence = Vec<Value>;

/// Makes an [`Evidence`] of words and values: `evidence!["before:", name, "after:", other]`.
#[macro_export]
macro_rules! evidence {
    ($($part:expr),* $(,)?) => { vec![$($crate::transcript::Value::from($part.clone())),*] };
}

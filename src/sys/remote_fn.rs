//! Functions that one process of this program has another one run.
//!
//! All actors are forked from one program and none of them calls execve(2): a function stands at the same address in
//! each. What travels is no address, though, but a place in a table that all of them share, and into which nothing but
//! functions of the right type is ever written. So no message, whoever sends it, makes a process run anything else.

use std::any::Any;
use std::mem::size_of;
use std::mem::zeroed;
use std::ptr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use nix::errno::Errno;

/// What a function that travels looks like: on whom it is run, the arguments' bytes, the answer's.
type Run = fn(&mut dyn Any, &[u8]) -> Vec<u8>;

/// A function of this very program that another process of it can run.
#[derive(Debug, Clone, Copy)]
pub struct RemoteFn(usize);

/// The length of a [`RemoteFn`] in a message, in bytes.
pub const REMOTE_FN_LENGTH: usize = size_of::<u64>();

/// How many different functions can travel. There is one for each place in the source that asks for one.
const CAPACITY: usize = 1023;

/// The functions' addresses, in the order in which they were first asked for. A zero is a place that is not written yet.
struct Table {
    used: AtomicUsize,
    places: [AtomicUsize; CAPACITY],
}

impl RemoteFn {
    /// The function that runs `play`, which must not capture anything: what it needs comes as bytes.
    ///
    /// Whoever is to run it must have been forked from this process after the first call of this, or share an ancestor
    /// that made one.
    ///
    /// # Errors
    /// Those of mmap(2) where the table cannot be had; `ENOMEM` where it is full.
    pub fn of<P: 'static, F>(play: F) -> nix::Result<Self>
    where
        F: Fn(&mut P, &[u8]) -> Vec<u8> + Copy,
    {
        const { assert!(size_of::<F>() == 0, "what an actor runs must not capture: pass it as an argument") }
        // The caller had an F to give, so there is one.
        let _ = play;
        let run: Run = |whom, bytes| {
            // SAFETY: F has no bytes, is Copy, and exists (see above): a zero-sized copy of it is as good as any.
            let play: F = unsafe { zeroed() };
            whom.downcast_mut::<P>().map(|whom| play(whom, bytes)).unwrap_or_default()
        };
        Table::get()?.place_of(run).ok_or(Errno::ENOMEM)
    }

    /// Runs it here; the answer is empty where `whom` is of another type than it is for.
    pub fn run(self, whom: &mut dyn Any, bytes: &[u8]) -> Vec<u8> {
        Table::get().ok().and_then(|table| table.at(self.0)).map(|run| run(whom, bytes)).unwrap_or_default()
    }

    /// As part of a message for another process.
    pub fn to_bytes(self) -> [u8; REMOTE_FN_LENGTH] {
        (self.0 as u64).to_ne_bytes()
    }

    /// What such a message names; `None` if no function was ever given that place.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let place = bytes.get(..REMOTE_FN_LENGTH)?.try_into().ok().map(u64::from_ne_bytes)?;
        let place = usize::try_from(place).ok()?;
        Table::get().ok()?.at(place).map(|_| RemoteFn(place))
    }
}

impl Table {
    /// The one table of this process and of those that are forked from it once it is there.
    fn get() -> nix::Result<&'static Table> {
        static TABLE: OnceLock<nix::Result<&'static Table>> = OnceLock::new();
        *TABLE.get_or_init(Table::map)
    }

    fn map() -> nix::Result<&'static Table> {
        let (access, kind) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED | libc::MAP_ANONYMOUS);
        // SAFETY: a new mapping at a place of the kernel's choice touches no memory that anybody has.
        let mapped = unsafe { libc::mmap(ptr::null_mut(), size_of::<Table>(), access, kind, -1, 0) };
        if mapped == libc::MAP_FAILED {
            return Err(Errno::last());
        }
        // SAFETY: the mapping is as large as a Table, aligned to a page, and never unmapped. It begins as zeros, which
        // are a Table, and all that is in it is atomic, as other processes write to it as well.
        Ok(unsafe { &*mapped.cast::<Table>() })
    }

    /// The place of a function, which is given one if it has none.
    fn place_of(&self, run: Run) -> Option<RemoteFn> {
        let address = run as usize;
        let used = self.used.load(Ordering::Acquire).min(CAPACITY);
        let known = self.places[..used].iter().position(|place| place.load(Ordering::Acquire) == address);
        let place = known.unwrap_or_else(|| self.used.fetch_add(1, Ordering::AcqRel));
        self.places.get(place)?.store(address, Ordering::Release);
        Some(RemoteFn(place))
    }

    fn at(&self, place: usize) -> Option<Run> {
        let address = self.places.get(place)?.load(Ordering::Acquire);
        if address == 0 {
            return None;
        }
        // SAFETY: nothing but `place_of` writes to the table, and it writes addresses of functions of this type, in a
        // process with the same code at the same addresses: the mapping passes to forked processes alone, for execve(2)
        // takes it off.
        Some(unsafe { std::mem::transmute::<usize, Run>(address) })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn counting() -> RemoteFn {
        RemoteFn::of(|seen: &mut usize, bytes: &[u8]| {
            *seen += bytes.len();
            bytes.to_vec()
        })
        .unwrap()
    }

    #[test]
    fn a_function_that_has_travelled_does_what_it_did() {
        let mut seen = 0_usize;
        let travelled = RemoteFn::from_bytes(&counting().to_bytes()).unwrap();
        assert_eq!((travelled.run(&mut seen, b"hello"), seen), (b"hello".to_vec(), 5));
        assert_eq!(counting().to_bytes(), travelled.to_bytes(), "it keeps its place");
    }

    #[test]
    fn a_function_does_nothing_to_whom_it_is_not_for() {
        let mut other = String::new();
        assert_eq!((counting().run(&mut other, b"hello"), other.as_str()), (Vec::new(), ""));
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn whatever_a_message_says_nothing_runs_but_what_was_given_a_place(
            bytes in prop::collection::vec(any::<u8>(), 0..20), place in 0..CAPACITY as u64 + 9,
        ) {
            let known = counting().0 as u64;
            for message in [bytes, place.to_ne_bytes().to_vec()] {
                let mut seen = 0_usize;
                if let Some(function) = RemoteFn::from_bytes(&message) {
                    prop_assert!(function.0 as u64 <= known.max(64));
                    function.run(&mut seen, b"x");
                }
            }
        }
    }
}

//! Functions that travel between processes of one image.
//!
//! All actors are forked from one program and none of them calls execve(2): a function stands at the same address in
//! each. So the director can tell an actor what to do by the address of the code that does it.

use std::mem::{size_of, zeroed};

/// What an actor is told to run: a function of this very program, from the arguments' bytes to the answer's.
pub struct Script<P>(fn(&mut P, &[u8]) -> Vec<u8>);

/// The length of a script's bytes.
pub const LENGTH: usize = 16;

impl<P> Script<P> {
    /// The script that runs `play`, which must not capture anything: what it needs comes as bytes.
    pub fn of<F>(play: F) -> Self
    where
        F: Fn(&mut P, &[u8]) -> Vec<u8> + Copy,
    {
        const { assert!(size_of::<F>() == 0, "what an actor runs must not capture: pass it as an argument") }
        // The caller had an F to give, so there is one.
        let _ = play;
        Script(|actor, bytes| {
            // SAFETY: F has no bytes, is Copy, and exists (see above): a zero-sized copy of it is as good as any.
            let play: F = unsafe { zeroed() };
            play(actor, bytes)
        })
    }

    /// Runs it here.
    pub fn run(&self, actor: &mut P, bytes: &[u8]) -> Vec<u8> {
        (self.0)(actor, bytes)
    }

    /// The script as a message for another process of this image.
    pub fn to_bytes(&self) -> [u8; LENGTH] {
        let mut bytes = [0; LENGTH];
        bytes[..8].copy_from_slice(&image().to_ne_bytes());
        bytes[8..].copy_from_slice(&(self.0 as usize as u64).to_ne_bytes());
        bytes
    }

    /// The script of such a message; `None` if it does not come from a process of this image.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (from, address) = bytes.get(..LENGTH)?.split_at(8);
        if u64::from_ne_bytes(from.try_into().ok()?) != image() {
            return None;
        }
        let address = usize::try_from(u64::from_ne_bytes(address.try_into().ok()?)).ok()?;
        // SAFETY: the message carries this image's mark, so `to_bytes` wrote it in a process with the same code at the
        // same addresses; P is the one type of actor that this program has.
        Some(Script(unsafe { std::mem::transmute::<usize, fn(&mut P, &[u8]) -> Vec<u8>>(address) }))
    }
}

/// A number that only this process and those forked from it know: from the random bytes that the kernel gives to every
/// program that it starts (`AT_RANDOM` in getauxval(3)).
fn image() -> u64 {
    // SAFETY: getauxval(3) only reads this process's auxiliary vector.
    let random = unsafe { libc::getauxval(libc::AT_RANDOM) } as *const u64;
    if random.is_null() {
        return 0;
    }
    // SAFETY: AT_RANDOM is the address of 16 bytes that live as long as the process does.
    unsafe { random.read_unaligned() }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_script_that_has_travelled_does_what_it_did() {
        let script = Script::of(|seen: &mut usize, bytes: &[u8]| {
            *seen += bytes.len();
            bytes.to_vec()
        });
        let mut seen = 0;
        let travelled = Script::<usize>::from_bytes(&script.to_bytes()).unwrap();
        assert_eq!((travelled.run(&mut seen, b"hello"), seen), (b"hello".to_vec(), 5));
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn what_no_process_of_this_image_has_written_is_no_script(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            let ours = bytes.starts_with(&image().to_ne_bytes());
            prop_assert!(ours || Script::<()>::from_bytes(&bytes).is_none());
        }

        #[test]
        fn half_a_script_is_none(length in 0..LENGTH) {
            let whole = Script::of(|_: &mut (), _: &[u8]| Vec::new()).to_bytes();
            prop_assert!(Script::<()>::from_bytes(&whole[..length]).is_none());
        }
    }
}

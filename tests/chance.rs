//! Which of many cases are tried: drawn by a number that is told where a test fails. Given again by `NSLEARN_SEED`, it
//! draws the same ones.

use std::env;
use std::hash::{BuildHasher, RandomState};
use std::sync::OnceLock;

/// A source of numbers that are the same for the same seed: splitmix64.
pub struct Chance(u64);

impl Chance {
    /// Also says the seed, which a test shows with what it said when it fails.
    pub fn new() -> Chance {
        static SEED: OnceLock<u64> = OnceLock::new();
        let seed = *SEED.get_or_init(|| match env::var("NSLEARN_SEED") {
            Ok(given) => given.parse().unwrap_or_else(|why| panic!("NSLEARN_SEED={given}: {why}")),
            Err(_) => RandomState::new().hash_one("a seed that nobody has chosen") >> 32,
        });
        eprintln!("the cases are drawn by NSLEARN_SEED={seed}");
        Chance(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    /// A number from 0, and less than this one.
    pub fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(limit).unwrap()).unwrap()
    }

    pub fn one_of<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.below(all.len())]
    }

    pub fn shuffle<T>(&mut self, all: &mut [T]) {
        for last in (1..all.len()).rev() {
            all.swap(last, self.below(last + 1));
        }
    }
}

#[test]
fn shuffling_and_drawing_lose_nothing_and_reach_everything() {
    let mut chance = Chance(7);
    let mut all: Vec<usize> = (0..50).collect();
    chance.shuffle(&mut all);
    assert!(!all.is_sorted());
    all.sort_unstable();
    assert_eq!(all, (0..50).collect::<Vec<_>>());
    let mut reached = [false; 8];
    (0..200).for_each(|_| reached[*chance.one_of(&[0, 1, 2, 3, 4, 5, 6, 7])] = true);
    assert!(reached.into_iter().all(|reached| reached));
}

//! Which faults are tried.

use std::collections::BTreeMap;

use nix::errno::Errno;
use syscalls::Sysno;

use super::census::Place;
use super::{ERRNOS, Fault, Telling};
use crate::chance::Chance;

/// One fault in so many lasts: the call fails from there on for good.
const LASTING: usize = 6;

/// A machine without random numbers, or with no room for them, does not exist: that is a panic by right.
fn is_impossible(sysno: Sysno, errno: Errno) -> bool {
    sysno == Sysno::getrandom && matches!(errno, Errno::ENOMEM | Errno::ENOSPC)
}

/// So many faults, each at another place while there are any: first one of each kind of call, then the others. Of the
/// tellings that have a place, the one takes it whose lesson has the fewest as yet.
pub(super) fn drawn(tellings: &[Telling], count: usize) -> Vec<(&Telling, Fault)> {
    let mut chance = Chance::new();
    let mut by_kind: BTreeMap<Sysno, Vec<&Place>> = BTreeMap::new();
    for place in tellings.iter().flat_map(|telling| telling.census.places.keys()) {
        let known = by_kind.entry(place.0).or_default();
        if !known.contains(&place) {
            known.push(place);
        }
    }
    by_kind.values_mut().for_each(|places| chance.shuffle(places));
    let mut first: Vec<&Place> = by_kind.values_mut().filter_map(Vec::pop).collect();
    let mut others: Vec<&Place> = by_kind.into_values().flatten().collect();
    chance.shuffle(&mut first);
    chance.shuffle(&mut others);
    eprintln!("{} kinds of calls, and {} places more", first.len(), others.len());
    let places: Vec<&Place> = first.into_iter().chain(others).collect();
    let mut shares: BTreeMap<&str, usize> = BTreeMap::new();
    let mut fault = |(number, place): (usize, &Place)| {
        let mut makers: Vec<&Telling> = tellings.iter().filter(|of| of.census.places.contains_key(place)).collect();
        chance.shuffle(&mut makers);
        let maker = makers.into_iter().min_by_key(|of| shares.get(of.lesson.as_str()).copied().unwrap_or_default());
        let maker = maker.expect("it is somebody's place");
        *shares.entry(&maker.lesson).or_default() += 1;
        let lasting = number % LASTING == 0;
        let errnos: &[Errno] = if lasting { &ERRNOS[..2] } else { &ERRNOS };
        let possible: Vec<Errno> = errnos.iter().copied().filter(|errno| !is_impossible(place.0, *errno)).collect();
        let which = *chance.one_of(&maker.census.places[place]);
        (maker, Fault { sysno: place.0, errno: *chance.one_of(&possible), which, lasting })
    };
    let plan = places.into_iter().cycle().take(count).enumerate().map(&mut fault).collect();
    eprintln!("faults by lesson: {shares:?}");
    plan
}

/// The faults to try: each kind of call at its first, its middle and its last occurrence, with each errno; and some from
/// the first one on for good. Root and the plain user take turns.
pub(super) fn whole(tellings: &[Telling]) -> Vec<(&Telling, Fault)> {
    let kinds = Sysno::iter().filter(|kind| tellings.iter().any(|of| of.census.kinds.contains_key(kind)));
    let mut plan: Vec<(&Telling, Fault)> = Vec::new();
    for (turn, sysno) in kinds.enumerate() {
        for (place, errno) in ERRNOS.into_iter().enumerate() {
            if is_impossible(sysno, errno) {
                continue;
            }
            let makers: Vec<&Telling> = tellings.iter().filter(|of| of.census.kinds.contains_key(&sysno)).collect();
            let mut add = |step: usize, which: fn(usize) -> usize, lasting| {
                let maker = makers[(turn + place + step) % makers.len()];
                let fault = Fault { sysno, errno, which: which(maker.census.kinds[&sysno]), lasting };
                if !plan.iter().any(|(_, other)| *other == fault) {
                    plan.push((maker, fault));
                }
            };
            add(0, |_| 1, false);
            add(1, |count| count.div_ceil(2), false);
            add(2, |count| count, false);
            if matches!(errno, Errno::EPERM | Errno::ENOMEM) {
                add(3, |_| 1, true);
            }
            if sysno == Sysno::mmap && errno == Errno::ENOMEM {
                add(4, |count| count.div_ceil(2), true);
                add(5, |count| count, true);
            }
        }
    }
    plan
}

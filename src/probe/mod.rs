//! What a machine can do, found out by doing it: each [`Feature`] that lessons build on is tried in a process of its own,
//! and counts only if what it is for has come about. That a call returned 0 says little on some machines.

mod attempts;

use std::cmp::Ordering;

use nix::sys::prctl;
use nix::sys::signal::Signal;

use crate::actors::Tried;
use crate::error::{Error, Result};
use crate::feature::Feature;
use crate::sandbox::{Sandbox, SandboxKind, in_a_child};
use crate::transcript::{CLONE_NEWNET, Object};

/// What came of trying a feature; `None` where it could not be tried, as what it stands on is not there.
pub(crate) type Trial = (Feature, Option<Result<()>>);

/// What a machine can do.
#[derive(Debug)]
pub(crate) struct Findings {
    /// Whether there is a stage; if not, why.
    pub stage: Result<()>,
    /// Every feature, in the order of [`Feature::ALL`].
    pub trials: Vec<Trial>,
}

/// Tries every feature: on a stage, as lessons do; where there is none, in a bare user namespace.
pub(crate) fn examine() -> Findings {
    let (stage, trials) = match try_all(SandboxKind::Stage, &Feature::ALL) {
        Ok(trials) => (Ok(()), trials),
        Err(why) => (Err(in_the_way_of_a_stage(why)), try_bare(&Feature::ALL)),
    };
    Findings { stage, trials: without_repetition(trials) }
}

/// A feature that the very call stops on which another one has stopped before was not come to: it stands on that one.
fn without_repetition(trials: Vec<Trial>) -> Vec<Trial> {
    let mut stopped: Vec<Error> = Vec::new();
    let judged = trials.into_iter().map(|(feature, result)| match result {
        Some(Err(error)) if stopped.contains(&error) => (feature, None),
        Some(Err(error)) => {
            stopped.push(error.clone());
            (feature, Some(Err(error)))
        }
        result => (feature, result),
    });
    judged.collect()
}

/// Why there is no stage: the first refusal of what it stands on, if that says more than the stage's own error does. One
/// call asks for namespaces of all types, and its errno does not say which was refused.
pub(crate) fn in_the_way_of_a_stage(error: Error) -> Error {
    if !matches!(&error, Error::Refused { call, .. } if call.makes_namespaces()) {
        return error;
    }
    let carrying: Vec<Feature> = Feature::ALL.into_iter().filter(|feature| feature.carries_the_stage()).collect();
    try_bare(&carrying).into_iter().find_map(|(_, result)| result?.err()).unwrap_or(error)
}

fn try_bare(features: &[Feature]) -> Vec<Trial> {
    match try_all(SandboxKind::UserNamespace, features) {
        Ok(trials) => trials,
        Err(why) => {
            // What a user namespace itself is made of is tried by making this one; nothing comes of it after a refusal.
            let stopped = stopped_at(&why);
            let place = |feature: Feature| Feature::ALL.iter().position(|other| *other == feature);
            let result = |feature: &Feature| match stopped.map(|stopped| place(*feature).cmp(&place(stopped))) {
                Some(Ordering::Less) => Some(Ok(())),
                Some(Ordering::Equal) => Some(Err(why.clone())),
                Some(Ordering::Greater) | None => None,
            };
            features.iter().map(|feature| (*feature, result(feature))).collect()
        }
    }
}

/// Which of the features that make a user namespace was refused; `None` where it did not come to one.
fn stopped_at(why: &Error) -> Option<Feature> {
    let Error::Refused { call, .. } = why else { return None };
    match call.object {
        Some(Object::Setgroups) => Some(Feature::Setgroups),
        Some(Object::Map) => Some(Feature::Maps),
        _ => call.makes_namespaces().then_some(Feature::User),
    }
}

fn try_all(kind: SandboxKind, features: &[Feature]) -> Result<Vec<Trial>> {
    let mut sandbox = Sandbox::open(kind, |init| {
        // One for all that is tried in one: there may be few of them, and those that have ended count for a while.
        let lacks_a_network = kind == SandboxKind::UserNamespace && features.iter().any(|of| of.is_of_a_network());
        let network = if lacks_a_network { attempts::into_new(CLONE_NEWNET) } else { Ok(()) };
        for feature in features.iter().copied() {
            init.log.tell(Tried { feature, result: in_a_process_of_its_own(feature, &network) });
        }
        Ok(())
    })?;
    let trials = features.iter().map(|_| sandbox.next().map(|Tried { feature, result }| (feature, Some(result))));
    trials.collect()
}

/// Tries a feature in a child: whatever comes of it ends with that.
fn in_a_process_of_its_own(feature: Feature, network: &Result<()>) -> Result<()> {
    in_a_child(|| {
        // Where the one who tries is gone, nobody wants to know any more.
        let _ = prctl::set_pdeathsig(Signal::SIGKILL);
        attempts::attempt(feature, network)
    })
}

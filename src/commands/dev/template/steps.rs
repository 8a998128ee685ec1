//! TODO: the steps of which lesson.

use crate::feature::Feature;
use crate::step::{Ask, ByHand, Fact, Need, Note, Step};

/// TODO: the step in half a line.
pub(super) static TOGETHER: Step = Step {
    title: "TODO title of a step in which all are together",
    minutes: 1,
    needs: &[],
    asks: &[],
    facts: &[],
    by_hand: &[ByHand::Shell { command: "readlink /proc/self/ns/uts", shows: "uts:[" }],
    note: Note {
        point: "TODO: what the class must have understood after this step.",
        ask: "TODO: what can one ask the class before it? (TODO: the answer.)",
        misunderstanding: "\"TODO: what people get wrong.\" TODO: what to say to it.",
    },
};

pub(super) static OWN_NAMESPACE: Fact =
    Fact { id: "template-own-namespace", claim: "TODO: unshare(2) moves its caller into a new namespace." };

static WHERE_TO: Ask = Ask {
    id: "template-where-to",
    text: "TODO: at least two sentences before the question. The guest calls unshare(2). Where is it then?",
    choices: &[("TODO: where it was", "the same"), ("TODO: in another namespace", "another")],
    why: "TODO: why it is so, in one sentence.",
};

/// TODO: the step in half a line.
pub(super) static APART: Step = Step {
    title: "TODO title of a step in which one moves out",
    minutes: 1,
    needs: &[Need::Of(Feature::Uts)],
    asks: &[&WHERE_TO],
    facts: &[&OWN_NAMESPACE],
    by_hand: &[ByHand::Shell {
        command: "unshare --user --map-root-user --uts readlink /proc/self/ns/uts",
        shows: "uts:[",
    }],
    note: Note {
        point: "TODO: what the class must have understood after this step.",
        ask: "TODO: what can one ask the class before it? (TODO: the answer.)",
        misunderstanding: "\"TODO: what people get wrong.\" TODO: what to say to it.",
    },
};

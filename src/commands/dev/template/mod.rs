//! TODO: what the lesson is about, in half a line.

mod steps;

use crate::actors::Actor;
use crate::error::Result;
use crate::evidence;
use crate::lesson::Lesson;
use crate::stage::Stage;
use crate::transcript::{CLONE_NEWUTS, NamespaceId};

/// The lesson's card.
pub(super) static LESSON: Lesson = Lesson {
    id: "template",
    title: "TODO title",
    subtitle: "TODO what it comes to",
    question: "TODO: which question does the lesson answer?",
    man: &["namespaces(7)"],
    steps: &[&steps::TOGETHER, &steps::APART],
    play,
};

fn play(stage: &Stage) -> Result<()> {
    let host = stage.host();

    stage.step(&steps::TOGETHER)?;
    stage.say("TODO: what there is to see, before it is seen. Here: a child starts in the namespaces of its parent.");
    let guest = host.fork("guest")?;
    let shared = host.readlink_ns("uts")?;
    guest.remark("the same number: the same namespace").readlink_ns("uts")?;

    // What some machines refuse is a part: there its facts are skipped, and the story goes on behind it.
    stage.part(&[&steps::APART], || apart(stage, &guest, shared))?;
    Ok(())
}

/// The guest moves into a namespace of its own.
fn apart(stage: &Stage, guest: &Actor, shared: NamespaceId) -> Result<()> {
    stage.step(&steps::APART)?;
    stage.say(
        "TODO: what is about to happen, in two sentences or more. Here: The guest calls unshare(2). This call moves its \
         caller into a new namespace.",
    );
    stage.ask()?;
    guest.unshare(CLONE_NEWUTS)?;
    let own = guest.readlink_ns("uts")?;
    stage.verify(
        &steps::OWN_NAMESPACE,
        own != shared,
        evidence!["the host is in", shared, "and the guest is in", own],
    )?;
    stage.answer(if own == shared { "the same" } else { "another" })?;
    stage.who_is_where(&[stage.host(), guest])
}

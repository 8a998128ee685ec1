//! `nslearn dev crowd N`: a story with many actors, to see whether large messages travel whole and how long they take.

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};

use nix::sys::resource::{Resource, getrlimit, setrlimit};

use crate::cli::Output;
use crate::commands::lesson::{status_of, tell_stop};
use crate::commands::{complain, status};
use crate::error::{Error, Result};
use crate::evidence;
use crate::lesson::Lesson;
use crate::render::Renderer;
use crate::session::Session;
use crate::stage::Stage;
use crate::step::{ByHand, Fact, Note, Step};

static LESSON: Lesson = Lesson {
    id: "crowd",
    title: "A crowd",
    subtitle: "as many actors as there are to be",
    question: "Do all of them get a word in?",
    man: &["unix(7)", "memfd_create(2)"],
    steps: &[&GATHERING],
    play,
};

static ALL_STAND: Fact = Fact { id: "crowd-stands", claim: "All actors that were started are on the stage." };

static GATHERING: Step = Step {
    title: "All come on the stage",
    minutes: 1,
    needs: &[],
    asks: &[],
    facts: &[&ALL_STAND],
    by_hand: &[ByHand::Shell { command: "ps -e | wc -l", shows: "1" }],
    note: Note { point: "", ask: "", misunderstanding: "" },
};

/// How many actors there are besides the host. The stage is forked after this is set, and finds it in its memory.
static ACTORS: AtomicUsize = AtomicUsize::new(0);

/// Descriptors that the director holds besides one for each actor.
const SPARE_DESCRIPTORS: u64 = 64;

pub(super) fn run(actors: usize, output: &Output) -> io::Result<u8> {
    if let Err(message) = make_room_for(actors) {
        complain(&message);
        return Ok(status::NOT_HERE);
    }
    ACTORS.store(actors, Ordering::Relaxed);
    let mut renderer = Renderer::new(output.options(), LESSON.title);
    let given = Session::give(&LESSON, output.scrub, &mut |story, event| renderer.event(story, event));
    match given {
        Ok(outcome) => Ok(status_of(&outcome)),
        Err(why) => tell_stop(&LESSON, why, &mut renderer),
    }
}

/// The director has one descriptor open for each actor.
fn make_room_for(actors: usize) -> Result<(), String> {
    let needed = u64::try_from(actors).unwrap_or(u64::MAX).saturating_add(SPARE_DESCRIPTORS);
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).map_err(|why| format!("nslearn: getrlimit: {why}"))?;
    if needed <= soft {
        return Ok(());
    }
    if needed <= hard {
        return setrlimit(Resource::RLIMIT_NOFILE, hard, hard).map_err(|why| format!("nslearn: setrlimit: {why}"));
    }
    Err(format!(
        "nslearn: {actors} actors take {needed} open files, and a process may have {hard} here\n  what to do: ask for \
         fewer, or raise the hard limit: ulimit -Hn, as root"
    ))
}

fn play(stage: &Stage) -> Result<()> {
    let (host, wanted) = (stage.host(), ACTORS.load(Ordering::Relaxed));
    stage.step(&GATHERING)?;
    stage.say("The host starts them one after the other, and each is asked for its name. Then the last one lists all.");
    let actors = (1..=wanted).map(|number| host.start(&format!("actor{number}"))).collect::<Result<Vec<_>>>()?;
    for actor in &actors {
        let name = actor.run((), |me, ()| Ok(me.name.clone()))?;
        if name != actor.name() {
            return Err(Error::unexpected(actor.name(), format!("it answered as {name}")));
        }
    }
    let last = actors.last().unwrap_or(host);
    stage.who_is_where(&[host, last][..if actors.is_empty() { 1 } else { 2 }])?;
    // Its answer is one large message, and what is shown of it another one.
    let rows = stage.ps(last)?;
    let found = actors.iter().filter(|actor| rows.iter().any(|row| row.pid == actor.pid())).count();
    stage.verify(&ALL_STAND, found == wanted, evidence![found, "of", wanted, "are on the last one's list"])
}

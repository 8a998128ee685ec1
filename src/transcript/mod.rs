//! What happened, as data: the events of a lesson, in the order in which they came true.
//!
//! Lessons emit events and know nothing of how they are shown; renderers show events and know nothing of how they
//! came about. Between the stage and the program the events travel as they stand here, types and all, so that
//! [`scrub`] can tell what differs from run to run; what other programs may rely on is the JSON of `render::json`.

mod look;
mod scrub;
mod value;

pub use look::{Interface, Listener, Look, Membership, ProcessRow, Route};
pub use scrub::{Letters, StandIns, scrub};
pub use value::{Evidence, Kind, MacAddress, NamespaceId, Value, errno_name};

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

/// One thing that happened.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Event {
    /// The lesson begins; the stage stands.
    Lesson(Opening),
    /// A step begins.
    Step {
        /// Its number, from 1.
        number: usize,
        /// How many steps the lesson has.
        of: usize,
        /// Its title.
        title: String,
    },
    /// The narration.
    Said {
        /// One or more paragraphs, to be filled to the reader's width.
        text: String,
    },
    /// A system call was made by an actor and answered by the kernel.
    Called(Called),
    /// An actor looked at something.
    Saw {
        /// Who looked.
        actor: String,
        /// What was there.
        look: Look,
    },
    /// Where everybody stood between two steps: all processes on the stage, and the namespaces that they are in.
    Stood {
        /// By process id.
        members: Vec<Membership>,
    },
    /// The same look before and after, side by side.
    Compared {
        /// What was looked at.
        title: String,
        /// By actor: what was there before.
        before: IndexMap<String, Value>,
        /// By actor: what is there now.
        after: IndexMap<String, Value>,
    },
    /// A claim was checked against the kernel.
    Verified {
        /// The fact's id.
        id: String,
        /// The claim, one sentence.
        claim: String,
        /// Whether it holds here.
        held: bool,
        /// What shows it.
        evidence: Evidence,
    },
    /// A fact that this machine cannot show.
    Skipped {
        /// The fact's id.
        id: String,
        /// Why not, here.
        reason: String,
        /// What would change that.
        remedy: String,
    },
    /// The shell command that shows the same.
    ByHand {
        /// The command, as one types it into a shell.
        command: String,
        /// Whether it needs a container engine, besides util-linux and iproute2.
        docker: bool,
    },
    /// A question to the reader, before the kernel answers it.
    Asked(Question),
    /// The answer that the kernel gave, in this run.
    Answered {
        /// The question's id.
        id: String,
        /// Which of the choices came true, from 0; `None`: not exactly one of them did.
        answer: Option<usize>,
        /// The choice in words.
        choice: String,
        /// Why it is so, one sentence.
        why: String,
    },
    /// The lesson is over and the stage is gone.
    Ended(Closing),
}

/// A question with its choices: what will happen?
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Question {
    /// Its id, which no other question of the lesson has.
    pub id: String,
    /// The question, one or two sentences.
    pub text: String,
    /// Two to four answers to choose from.
    pub choices: Vec<String>,
}

/// What stands at the head of a lesson.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Opening {
    /// The name by which the command line knows it.
    pub id: String,
    /// The title.
    pub title: String,
    /// The title's second half.
    pub subtitle: String,
    /// The question that the lesson answers.
    pub question: String,
    /// Its place in the teaching order, from 1.
    pub number: usize,
    /// How many lessons there are.
    pub of: usize,
    /// How long it takes to read, in minutes.
    pub minutes: u32,
    /// The kernel's release, as in uname(2).
    pub kernel: Value,
}

/// What stands at the foot of a lesson.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Closing {
    /// How many claims held.
    pub held: usize,
    /// How many did not.
    pub failed: usize,
    /// How many facts this machine could not show.
    pub skipped: usize,
    /// What is on the machine now that was not there before.
    pub left_behind: Vec<String>,
    /// The kernel's release, as in uname(2).
    pub kernel: Option<Value>,
    /// The manual pages to read next, such as `uts_namespaces(7)`.
    pub man: Vec<String>,
    /// The lesson that comes next.
    pub next: Option<String>,
}

/// A system call and the kernel's answer.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Called {
    /// Who called.
    pub actor: String,
    /// The call, by the name of its manual page.
    pub syscall: String,
    /// Its arguments, decoded.
    pub args: Vec<Value>,
    /// The kernel's answer.
    pub answer: Answer,
    /// How many times in a row it was made with this answer.
    pub times: usize,
    /// What to notice about it.
    pub note: Option<String>,
}

/// What the kernel answered to a call.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Answer {
    /// The call's result.
    Returned(Value),
    /// The call failed.
    Failed {
        /// The errno.
        errno: i32,
        /// What that errno means for this call.
        meaning: Option<String>,
        /// What the kernel itself said of it (netlink's extended acknowledgement).
        kernel_said: Option<String>,
    },
}

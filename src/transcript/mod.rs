//! What happened, as data: the events of a lesson, in the order in which they came true.
//!
//! Lessons emit events and know nothing of how they are shown; renderers show events and know nothing of how they
//! came about. Between the stage and the program the events travel as they stand here, types and all, so that
//! [`scrub`] can tell what differs from run to run; what other programs may rely on is the JSON of `render::json`.

mod call;
mod clock;
mod look;
mod namespace;
mod scrub;
mod story;
mod value;

pub(crate) use call::errno_as_number;
pub(crate) use call::{Call, FileSystem, LinkKind, NetlinkPart, Object, errno_name};
pub(crate) use clock::{Ahead, Clock, Reading};
pub(crate) use look::{Look, Membership};
pub(crate) use namespace::{
    CLONE_NEWCGROUP, CLONE_NEWIPC, CLONE_NEWNET, CLONE_NEWNS, CLONE_NEWPID, CLONE_NEWTIME, CLONE_NEWUSER, CLONE_NEWUTS,
    Flags, NamespaceType,
};
pub(crate) use scrub::{Letters, StandIns, scrub};
pub(crate) use story::Story;
pub(crate) use value::{Evidence, MacAddress, NamespaceId, Value};

use indexmap::IndexMap;
use nix::errno::Errno;
use serde::{Deserialize, Serialize};

/// One thing that happened.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum Event {
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
    /// Who is in which namespace, of some actors.
    WhoIsWhere {
        /// Who looked.
        actor: String,
        /// Those who were looked at.
        members: Vec<Membership>,
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
        /// The part of a line that it prints only if it shows what the step shows; empty if that is not known.
        shows: String,
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
pub(crate) struct Question {
    /// Its id, which no other question of the lesson has.
    pub id: String,
    /// The question, one or two sentences.
    pub text: String,
    /// Two to four answers to choose from.
    pub choices: Vec<String>,
}

/// What stands at the head of a lesson.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Opening {
    /// The name by which the command line knows it.
    pub id: String,
    /// The title.
    pub title: String,
    /// The title's second half.
    pub subtitle: String,
    /// The question that the lesson answers.
    pub question: String,
    /// How long it takes to read, in minutes.
    pub minutes: u32,
    /// The kernel's release, as in uname(2).
    pub kernel: Value,
}

/// What stands at the foot of a lesson.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Closing {
    /// How many claims held.
    pub held: usize,
    /// How many did not.
    pub failed: usize,
    /// How many facts this machine could not show.
    pub skipped: usize,
    /// How many calls only set something up.
    pub set_up: usize,
    /// What is on the machine now that was not there before.
    pub left_behind: Vec<String>,
    /// The kernel's release, as in uname(2).
    pub kernel: Option<Value>,
    /// The manual pages to read next, such as `uts_namespaces(7)`.
    pub man: Vec<String>,
}

/// A system call and the kernel's answer.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Called {
    /// Who called.
    pub actor: String,
    /// The call, by the name of its manual page, with its arguments, decoded.
    pub call: Call,
    /// The kernel's answer.
    pub answer: Answer,
    /// How many times in a row it was made with this answer.
    pub times: usize,
    /// Whether it only sets something up, and is not of what the lesson tells: of those a reader learns the number.
    pub set_up: bool,
    /// What to notice about it.
    pub remark: Option<String>,
}

/// What the kernel answered to a call.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum Answer {
    /// The call's result.
    Returned(Value),
    /// The call failed.
    Failed {
        /// The errno.
        #[serde(with = "errno_as_number")]
        errno: Errno,
        /// What that errno means for this call.
        meaning: Option<String>,
        /// What the kernel itself said of it (netlink's extended acknowledgement).
        kernel_said: Option<String>,
        /// How many bytes the call sent, where it was not refused itself: the errno came in the kernel's reply to the
        /// message (netlink).
        sent: Option<usize>,
    },
}

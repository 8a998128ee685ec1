//! The lessons, in teaching order. Each is one story, told from top to bottom.
#![forbid(unsafe_code)]

mod chroot;
mod net;
mod notes;
mod pid;
mod shared_net;
mod uts;

use crate::lesson::{Lesson, Place};

/// All lessons, in teaching order.
pub const ALL: [&Lesson; 5] = [&chroot::LESSON, &pid::LESSON, &uts::LESSON, &net::LESSON, &shared_net::LESSON];

/// Calls a macro with the module names of all lessons, in teaching order: a lesson's name, with `_` for `-`.
#[macro_export]
macro_rules! for_each_lesson {
    ($callback:ident) => {
        $callback! { chroot, pid, uts, net, shared_net }
    };
}

/// The lesson of this name.
pub fn find(name: &str) -> Option<&'static Lesson> {
    ALL.into_iter().find(|lesson| lesson.id == name)
}

/// Where a lesson stands in the teaching order.
pub fn place(lesson: &Lesson) -> Place {
    let index = ALL.iter().position(|other| other.id == lesson.id).unwrap_or_default();
    Place { number: index + 1, of: ALL.len(), next: ALL.get(index + 1).map(|next| next.id) }
}

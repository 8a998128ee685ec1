//! The lessons. Each is one story, told from top to bottom, beside the declaration of its steps.
#![forbid(unsafe_code)]

mod chroot;
mod net;
mod pid;
mod shared_net;
mod time;
mod uts;

use crate::lesson::Lesson;

/// Names the lessons in teaching order, by their modules: `for_each_lesson!(callback)` is `callback! { chroot, pid, … }`.
#[macro_export]
macro_rules! for_each_lesson {
    ($callback:ident) => {
        $callback! { chroot, pid, uts, net, shared_net, time }
    };
}

macro_rules! all {
    ($($lesson:ident),*) => {
        /// All lessons, in teaching order.
        pub(crate) static ALL: &[&Lesson] = &[$(&$lesson::LESSON),*];
    };
}

for_each_lesson!(all);

/// The lesson of this name.
pub(crate) fn find(name: &str) -> Option<&'static Lesson> {
    ALL.iter().copied().find(|lesson| lesson.id == name)
}

/// Its place in the teaching order, from 1.
pub(crate) fn number(lesson: &Lesson) -> usize {
    ALL.iter().position(|other| other.id == lesson.id).map_or(0, |place| place + 1)
}

/// The lesson that comes after it.
pub(crate) fn after(lesson: &Lesson) -> Option<&'static Lesson> {
    ALL.get(number(lesson)).copied()
}

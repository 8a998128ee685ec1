//! One test of everything that is so of each lesson, for each lesson: `cargo test lessons::pid` tests the lesson `pid`.

use crate::support::lab;
use crate::{
    bad_input, beside, by_hand, ledger, notes, output, pictures, predictions, questions, recording, security,
    snapshots, untouched, walk,
};

/// The tests of one lesson: functions of the files that they are named after, each given the lesson's name.
macro_rules! tests_of {
    ($lesson:ident: $($feature:ident { $($sentence:ident,)* })*) => { $($(
        #[test]
        fn $sentence() {
            super::$feature::$sentence(&super::id(stringify!($lesson)));
        }
    )*)* };
}

macro_rules! tests {
    ($($lesson:ident),*) => {
        $(mod $lesson {
            tests_of! { $lesson:
                bad_input {
                    is_ascii_without_a_utf_8_locale_and_loses_no_letter,
                }
                beside {
                    heads_each_column_by_the_name_of_the_actor_who_looks,
                    is_nowhere_wider_than_the_terminal_around_the_width_where_columns_begin,
                    has_the_same_words_at_every_width,
                    is_told_one_after_the_other_in_plain_text_at_every_width,
                }
                by_hand {
                    has_commands_by_hand_that_print_what_their_snapshot_says,
                }
                ledger {
                    tells_of_each_call_that_the_kernel_saw_and_of_no_other,
                    counts_the_calls_that_it_does_not_show,
                }
                notes {
                    has_notes_that_head_each_step_with_its_own_line,
                    has_minutes_of_all_steps_that_add_up_to_its_own,
                    has_notes_whose_text_has_all_that_the_json_has,
                    has_the_same_notes_on_one_step_alone_as_among_all,
                    has_notes_that_are_nowhere_wider_than_the_terminal,
                }
                output {
                    has_colour_when_it_is_asked_for,
                    has_no_escape_byte_where_colour_is_off,
                    is_nowhere_wider_than_the_terminal,
                    has_json_events_with_the_names_that_other_programs_rely_on,
                }
                pictures {
                    tells_in_one_step_what_the_whole_of_it_says,
                    counts_the_claims_of_all_steps_where_one_is_told,
                    has_the_picture_of_one_step_as_the_book_has_it,
                    says_in_words_of_its_pictures_who_is_in_which_namespace,
                }
                predictions {
                    has_every_guess_judged_by_what_the_kernel_says,
                }
                questions {
                    leaves_out_its_questions_and_their_answers_and_nothing_else,
                }
                recording {
                    is_recorded_with_the_words_of_the_plain_form,
                    is_recorded_at_the_pace_of_a_reader_and_never_backwards,
                    is_the_same_recording_wherever_it_is_shown,
                    is_played_through_by_asciinema,
                }
                security {
                    has_nothing_on_its_stage_that_the_program_has_inherited,
                }
                snapshots {
                    tells_what_its_snapshots_say,
                    has_every_claim_hold_and_skips_nothing,
                    tells_root_and_a_plain_user_the_same,
                    tells_the_same_in_ten_runs_in_a_row,
                    is_the_same_in_plain_text_where_columns_says_200,
                    is_the_same_in_plain_text_on_a_terminal_of_200_columns,
                }
                untouched {
                    leaves_the_machine_as_it_was,
                }
                walk {
                    leads_from_step_to_step_to_its_end_by_enter,
                    is_the_same_story_on_a_walk,
                }
            }
        })*

        /// The names that the tests know.
        const TESTED: &[&str] = &[$(stringify!($lesson)),*];
    };
}

nslearn::for_each_lesson!(tests);

/// The name that a lesson's file stands for.
fn id(module: &str) -> String {
    module.replace('_', "-")
}

#[test]
fn every_lesson_on_the_list_is_tested() {
    assert_eq!(TESTED.iter().map(|module| id(module)).collect::<Vec<_>>(), lab().ids());
}

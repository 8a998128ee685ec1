//! What a lesson tells is in tests/snapshots, and is the same for everybody, everywhere, every time.

use insta::{Settings, assert_snapshot};
use serde_json::{Value, json};

use crate::anchored::{with_pictures_anchored, with_steps_anchored};
use crate::support::{Lab, Run, Who, everybody, has_tool, of_kind, stage};

/// How many runs in a row must tell the same.
const RUNS: usize = 10;

fn scrubbed(lab: &Lab, id: &str, format: &str) -> Run {
    lab.run(["lesson", id, "--scrub", "--format", format])
}

/// What the lesson tells, if it went as it must: every claim held, none was skipped, nothing was left.
#[track_caller]
fn told(run: &Run) -> String {
    let end = run.end().must_be(0);
    assert_eq!(end.stderr, "", "{} complained", end.what);
    end.stdout
}

#[track_caller]
fn same(one: &str, other: &str, what: &str) {
    let differing = one.lines().zip(other.lines()).find(|(one, other)| one != other);
    assert!(one == other, "{what} tells something else; the first lines that differ: {differing:#?}");
}

pub fn snapshot_settings() -> Settings {
    let mut settings = Settings::clone_current();
    settings.set_snapshot_path("snapshots");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings
}

pub fn tells_what_its_snapshots_say(id: &str) {
    let Some(lab) = stage() else { return };
    // With marks by which the book finds what belongs to a step: see `anchored`.
    let plain = with_steps_anchored(&told(&scrubbed(&lab, id, "plain")));
    let pictures = with_pictures_anchored(id, &told(&scrubbed(&lab, id, "svg")));
    let json = told(&scrubbed(&lab, id, "json"));
    for (format, told) in [("plain", plain), ("svg", pictures), ("json", json)] {
        snapshot_settings().bind(|| assert_snapshot!(format!("{id}.{format}"), told));
    }
}

pub fn has_every_claim_hold_and_skips_nothing(id: &str) {
    let Some(lab) = stage() else { return };
    for &who in everybody() {
        let events = scrubbed(&lab, id, "json").by(who).end().must_be(0).events();
        let [ended] = of_kind(&events, "ended")[..] else { panic!("lesson {id} does not end once") };
        let claims = of_kind(&events, "verified").len();
        let counts = json!([ended["held"], ended["failed"], ended["skipped"], ended["left_behind"]]);
        assert_eq!(counts, json!([claims, 0, 0, []]), "lesson {id} as {who:?}");
        assert!(of_kind(&events, "verified").iter().all(|claim| claim["held"] == Value::Bool(true)));
    }
}

pub fn tells_root_and_a_plain_user_the_same(id: &str) {
    let Some(lab) = stage() else { return };
    for format in ["plain", "json"] {
        let mine = told(&scrubbed(&lab, id, format));
        let theirs = told(&scrubbed(&lab, id, format).by(Who::PlainUser));
        same(&mine, &theirs, &format!("lesson {id} to a plain user"));
    }
}

/// Each run tells the lesson twice: as JSON, and in the words of the plain form, which a recording has.
pub fn tells_the_same_in_ten_runs_in_a_row(id: &str) {
    let Some(lab) = stage() else { return };
    let film = lab.directory(Who::Me).join("film.cast");
    let tell = || {
        let json = told(&scrubbed(&lab, id, "json").with(&["--record", film.to_str().unwrap()]));
        (json, crate::support::read_text(&film).unwrap())
    };
    let first = tell();
    for run in 2..=RUNS {
        let next = tell();
        same(&first.0, &next.0, &format!("run {run} of lesson {id}"));
        same(&first.1, &next.1, &format!("run {run} of lesson {id}, as it was recorded,"));
    }
}

pub fn is_the_same_in_plain_text_where_columns_says_200(id: &str) {
    let Some(lab) = stage() else { return };
    let usual = told(&scrubbed(&lab, id, "plain"));
    let wide = told(&scrubbed(&lab, id, "plain").env("COLUMNS", "200"));
    same(&usual, &wide, &format!("lesson {id} with COLUMNS=200"));
}

pub fn is_the_same_in_plain_text_on_a_terminal_of_200_columns(id: &str) {
    if !has_tool("script") {
        return;
    }
    let Some(lab) = stage() else { return };
    let usual = told(&scrubbed(&lab, id, "plain"));
    let program = lab.program();
    let typed = format!("stty cols 200; exec {} lesson {id} --scrub --format plain", program.display());
    let wide = told(&lab.run([""]).instead("script", &["-qec", &typed, "/dev/null"])).replace("\r\n", "\n");
    same(&usual, &wide, &format!("lesson {id} on a wide terminal"));
}

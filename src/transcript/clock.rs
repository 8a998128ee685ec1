//! What clocks show: clock_gettime(2). A reading keeps its clock, so that scrubbing can tell how far two are apart.

use std::fmt;
use std::time::{Duration, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

const HOUR: i64 = 3600;
const DAY: i64 = 24 * HOUR;

/// A clock of the kernel's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Clock {
    /// The date and the time of day, since 1970: CLOCK_REALTIME.
    Realtime,
    /// The time since the boot in which the machine was awake: CLOCK_MONOTONIC.
    Monotonic,
    /// The time since the boot: CLOCK_BOOTTIME.
    Boottime,
    /// No clock, but the difference of two: the date of the boot.
    Boot,
}

impl Clock {
    /// What its first reading becomes where readings are scrubbed, in seconds: noon of a New Year's Day, on a machine
    /// that was booted two hours before and has slept for one of them.
    pub(super) const fn stand_in(self) -> i64 {
        const NOON: i64 = 1_767_268_800;
        match self {
            Clock::Realtime => NOON,
            Clock::Monotonic => HOUR,
            Clock::Boottime => 2 * HOUR,
            Clock::Boot => NOON - 2 * HOUR,
        }
    }
}

/// What a clock showed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Reading {
    /// The clock.
    pub(crate) clock: Clock,
    /// The whole seconds.
    pub(crate) seconds: i64,
}

impl Reading {
    /// How far it is ahead of another reading, to the nearest hour: what passes between two looks does not count.
    pub(crate) fn ahead_of(self, other: Reading) -> Ahead {
        Ahead { hours: (self.seconds.saturating_sub(other.seconds).saturating_add(HOUR / 2)).div_euclid(HOUR) }
    }

    /// The stand-in that is as far from the clock's own as this reading is from its `first`.
    pub(super) fn scrubbed(self, first: Reading) -> Reading {
        Reading { seconds: self.clock.stand_in() + self.ahead_of(first).hours * HOUR, ..self }
    }
}

/// As people say it: a date (in UTC), or days, hours, minutes and seconds.
impl fmt::Display for Reading {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.clock {
            Clock::Realtime | Clock::Boot => f.pad(&date(self.seconds)),
            Clock::Monotonic | Clock::Boottime => {
                let (days, rest) = (self.seconds.div_euclid(DAY), self.seconds.rem_euclid(DAY));
                let (hours, minutes, seconds) = (rest / HOUR, rest % HOUR / 60, rest % 60);
                f.pad(&format!("{}, {hours:02}:{minutes:02}:{seconds:02}", counted(days, "day")))
            }
        }
    }
}

/// A difference of two readings, in whole hours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ahead {
    pub(crate) hours: i64,
}

impl Ahead {
    pub(crate) const NONE: Ahead = Ahead { hours: 0 };

    pub(crate) const fn days(days: i64) -> Ahead {
        Ahead { hours: 24 * days }
    }
}

impl fmt::Display for Ahead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.hours % 24 == 0 {
            return f.write_str(&counted(self.hours / 24, "day"));
        }
        f.write_str(&counted(self.hours, "hour"))
    }
}

fn counted(number: i64, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

/// `2026-01-01 12:00:00`.
fn date(seconds: i64) -> String {
    /// The end of the year 9999: there ends what can be written so.
    const LAST: u64 = 253_402_300_799;
    let since = u64::try_from(seconds).unwrap_or_default().min(LAST);
    let date = humantime::format_rfc3339_seconds(UNIX_EPOCH + Duration::from_secs(since)).to_string();
    date.trim_end_matches('Z').replace('T', " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn boottime(seconds: i64) -> Reading {
        Reading { clock: Clock::Boottime, seconds }
    }

    #[test]
    fn a_reading_is_shown_as_people_say_it() {
        assert_eq!(boottime(10 * DAY + 2 * HOUR + 3 * 60 + 4).to_string(), "10 days, 02:03:04");
        assert_eq!(boottime(DAY).to_string(), "1 day, 00:00:00");
        assert_eq!(Reading { clock: Clock::Boot, seconds: 1_767_268_800 }.to_string(), "2026-01-01 12:00:00");
        let seconds = [i64::MIN, -1, i64::MAX];
        let shown = seconds.map(|seconds| Reading { clock: Clock::Realtime, seconds }.to_string());
        assert_eq!(shown, ["1970-01-01 00:00:00", "1970-01-01 00:00:00", "9999-12-31 23:59:59"]);
    }

    #[test]
    fn what_passes_between_two_looks_is_no_difference() {
        let first = boottime(5000);
        for late in [-1, 0, 1, 59, 1700] {
            assert_eq!(boottime(5000 + late).ahead_of(first), Ahead::NONE);
            assert_eq!(boottime(5000 + late).scrubbed(first), boottime(2 * HOUR));
            let later = boottime(5000 + 10 * DAY + late);
            assert_eq!(later.ahead_of(first), Ahead::days(10));
            assert_eq!(later.scrubbed(first), boottime(10 * DAY + 2 * HOUR));
            assert_eq!(first.ahead_of(later), Ahead::days(-10));
        }
        assert_eq!(boottime(5000 + DAY - HOUR).ahead_of(first).to_string(), "23 hours");
        assert_eq!(Ahead::days(1).to_string(), "1 day");
    }
}

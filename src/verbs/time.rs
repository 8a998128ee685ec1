//! Clocks and time namespaces: clock_gettime(2), time_namespaces(7).
use std::str::FromStr;

use nix::time::{ClockId, clock_gettime};

use super::files::write_once;
use crate::actors::Actor;
use crate::args;
use crate::error::{CallResult, Error, Result};
use crate::observe::kernel_file::{self, fields, labelled, number};
use crate::stage::Stage;
use crate::transcript::{CLONE_NEWTIME, Clock, Look, Object, Reading, Value};

/// What the three clocks showed, one directly after the other.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clocks {
    pub(crate) realtime: Reading,
    pub(crate) monotonic: Reading,
    pub(crate) boottime: Reading,
}

impl Actor {
    /// Sets how far a clock is ahead for the actor's children: write(2) to /proc/self/timens_offsets, time_namespaces(7).
    /// `clock` is the file's name for it.
    ///
    /// # Errors
    /// `EACCES` where somebody is in the children's namespace already; `ERANGE` where the clock would show less than
    /// zero, or more than 146 years; `EINVAL` for a clock that has no offset.
    pub(crate) fn write_offset(&self, clock: &str, seconds: i64) -> Result<()> {
        const FILE: &str = "/proc/self/timens_offsets";
        self.change(CLONE_NEWTIME, "write", (clock.to_owned(), seconds), |me, (clock, seconds)| {
            let line = format!("{clock} {seconds} 0");
            let written = write_once(FILE, &line).answer_to("write")?;
            let offset = match clock.as_str() {
                "boottime" => Some(Object::Offset { clock: Clock::Boottime, seconds }),
                "monotonic" => Some(Object::Offset { clock: Clock::Monotonic, seconds }),
                _ => None,
            };
            me.about(offset).called("write", vec![Value::from(FILE), Value::Name(line)], written).map(drop)
        })
    }

    /// What a clock shows, in seconds: clock_gettime(2).
    ///
    /// # Errors
    /// None that Linux documents for these clocks.
    fn clock_gettime(&self, clock: ClockId) -> Result<f64> {
        self.run(clock.as_raw(), |_, clock| {
            let now = clock_gettime(ClockId::from_raw(clock)).or_refused("clock_gettime", args![i64::from(clock)])?;
            Ok(now.tv_sec() as f64 + now.tv_nsec() as f64 / 1e9)
        })
    }

    /// The first number in a file, behind a word that its line begins with.
    fn number(&self, path: &str, word: &str) -> Result<f64> {
        self.run((path.to_owned(), word.to_owned()), |_, (path, word)| {
            let text = kernel_file::read(path.as_str()).or_refused("read", args![&path])?;
            let found = labelled(&text, &word).and_then(|behind| number(fields(behind).next()?));
            found.ok_or_else(|| Error::unexpected(path, format!("there is no number behind '{word}'")))
        })
    }
}

impl Stage {
    /// Shows the three clocks as an actor sees them, and returns them.
    ///
    /// # Errors
    /// None that Linux documents.
    pub(crate) fn clocks(&self, actor: &Actor) -> Result<Clocks> {
        let read = |clock, id| Ok(reading(clock, actor.clock_gettime(id)?));
        let clocks = Clocks {
            realtime: read(Clock::Realtime, ClockId::CLOCK_REALTIME)?,
            monotonic: read(Clock::Monotonic, ClockId::CLOCK_MONOTONIC)?,
            boottime: read(Clock::Boottime, ClockId::CLOCK_BOOTTIME)?,
        };
        let named = [
            ("CLOCK_REALTIME", clocks.realtime),
            ("CLOCK_MONOTONIC", clocks.monotonic),
            ("CLOCK_BOOTTIME", clocks.boottime),
        ];
        let rows = named.map(|(name, reading)| args![name, Value::Seconds(reading), Value::Time(reading)]);
        let lines = named.map(|(name, reading)| args![format!("{name:<16}"), Value::Time(reading)]);
        let look =
            Look::table("clocks", "three clocks, by clock_gettime(2)", &["clock", "seconds", "time"], rows.into());
        self.show(actor, look.printed(lines.into()));
        Ok(clocks)
    }

    /// Shows what the first number of /proc/uptime is for an actor, and returns it.
    ///
    /// # Errors
    /// Those of open(2).
    pub(crate) fn uptime(&self, actor: &Actor) -> Result<Reading> {
        let uptime = reading(Clock::Boottime, actor.number("/proc/uptime", "")?);
        self.show(
            actor,
            Look::table("uptime", "cut -d . -f 1 /proc/uptime", &[""], vec![vec![Value::Seconds(uptime)]]),
        );
        Ok(uptime)
    }

    /// Shows the date of the boot that the kernel tells an actor, and returns it.
    ///
    /// # Errors
    /// Those of open(2).
    pub(crate) fn btime(&self, actor: &Actor) -> Result<Reading> {
        let btime = reading(Clock::Boot, actor.number("/proc/stat", "btime ")?);
        let look = Look::table("btime", "grep btime /proc/stat", &[""], vec![vec![Value::Seconds(btime)]]);
        self.show(actor, look.printed(vec![args!["btime ", Value::Seconds(btime)]]));
        Ok(btime)
    }

    /// Shows the date of the boot that uptime(1) computes for an actor, and returns it: the date without the uptime,
    /// rounded.
    ///
    /// # Errors
    /// Those of open(2).
    pub(crate) fn uptime_since(&self, actor: &Actor) -> Result<Reading> {
        let now = actor.clock_gettime(ClockId::CLOCK_REALTIME)?;
        let since = reading(Clock::Boot, now - actor.number("/proc/uptime", "")? + 0.5);
        self.show(actor, Look::table("boot", "TZ=UTC0 uptime -s", &[""], vec![vec![Value::Time(since)]]));
        Ok(since)
    }

    /// Shows the date that an actor sees, and returns it.
    ///
    /// # Errors
    /// None that Linux documents.
    pub(crate) fn date(&self, actor: &Actor) -> Result<Reading> {
        let now = reading(Clock::Realtime, actor.clock_gettime(ClockId::CLOCK_REALTIME)?);
        self.show(actor, Look::table("date", "date -u '+%F %T'", &[""], vec![vec![Value::Time(now)]]));
        Ok(now)
    }

    /// Shows the uptime that a program of an actor's has printed from /proc/uptime, and returns it.
    ///
    /// # Errors
    /// Where that is no number.
    pub(crate) fn printed_uptime(&self, actor: &Actor, printed: &str) -> Result<Reading> {
        let first = printed.split_whitespace().next().unwrap_or_default();
        let seconds = f64::from_str(first).map_err(|why| Error::unexpected(format!("'{printed}'"), why))?;
        let uptime = reading(Clock::Boottime, seconds);
        let like = "the first number that it prints, in whole seconds";
        self.show(actor, Look::table("output", like, &[""], vec![vec![Value::Seconds(uptime)]]));
        Ok(uptime)
    }
}

fn reading(clock: Clock, seconds: f64) -> Reading {
    Reading { clock, seconds: seconds.floor() as i64 }
}

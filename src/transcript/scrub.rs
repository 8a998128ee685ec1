//! Letters for namespaces, and stand-ins for what differs from run to run.
//!
//! Both keep equality: the same namespace has the same letter and the same stand-in through the whole lesson.

use std::collections::HashMap;

use super::{Answer, Event, MacAddress, Membership, NamespaceId, NamespaceType, Reading, Value};

/// Gives each namespace the letter that readers know it by: A for the first of its type that they meet, then B, …
#[derive(Debug, Default)]
pub(crate) struct Letters(HashMap<NamespaceType, Vec<u64>>);

impl Letters {
    /// Writes the letters into every namespace that the event tells of.
    pub(crate) fn assign(&mut self, event: &mut Event) {
        each_in(event, &mut |volatile| {
            if let Volatile::Namespace(id) = volatile {
                let seen = self.0.entry(id.kind).or_default();
                let place = position(seen, id.inode);
                id.letter = u8::try_from(place).ok().and_then(|n| b'A'.checked_add(n)).map(char::from);
            }
        });
    }
}

/// The stand-ins that were given so far.
#[derive(Debug, Default)]
pub(crate) struct StandIns {
    inodes: Vec<(NamespaceType, u64)>,
    files: Vec<((u32, u32), u64)>,
    devices: Vec<(u32, u32)>,
    pids: Vec<i32>,
    macs: Vec<MacAddress>,
    /// The first reading of each clock.
    clocks: Vec<Reading>,
}

impl StandIns {
    /// The first reading of the same clock.
    fn first(&mut self, reading: Reading) -> Reading {
        let known = self.clocks.iter().copied().find(|first| first.clock == reading.clock);
        known.unwrap_or_else(|| {
            self.clocks.push(reading);
            reading
        })
    }
}

/// Puts stand-ins in the place of everything that differs from run to run or from machine to machine: namespace and
/// file inodes, MAC addresses, the machine's PIDs, the kernel's release, and what clocks show, to the hour.
pub(crate) fn scrub(event: &mut Event, known: &mut StandIns) {
    each_in(event, &mut |volatile| match volatile {
        Volatile::Namespace(id) => {
            id.inode = FIRST_NAMESPACE + position(&mut known.inodes, (id.kind, id.inode));
        }
        Volatile::Inode(device, inode) => {
            *inode = 1 + position(&mut known.files, (*device, *inode));
            *device = (0, u32::try_from(1 + position(&mut known.devices, *device)).unwrap_or_default());
        }
        Volatile::MachinePid(pid) => {
            *pid = FIRST_MACHINE_PID + i32::try_from(position(&mut known.pids, *pid)).unwrap_or_default();
        }
        Volatile::Mac(mac) if *mac != MacAddress::default() => {
            let place = u8::try_from(position(&mut known.macs, *mac)).unwrap_or(u8::MAX);
            *mac = MacAddress([0x02, 0, 0, 0, 0, place.saturating_add(1)]);
        }
        // The loopback's address is zero on every machine.
        Volatile::Mac(_) => {}
        Volatile::Kernel(release) => *release = "X.Y.Z".to_owned(),
        Volatile::Reading(reading) => *reading = reading.scrubbed(known.first(*reading)),
    });
}

const FIRST_NAMESPACE: u64 = 4_026_532_001;
const FIRST_MACHINE_PID: i32 = 40_001;

/// The place of `item` in `seen`, where it is put if it is new.
fn position<T: PartialEq>(seen: &mut Vec<T>, item: T) -> u64 {
    let place = seen.iter().position(|known| *known == item).unwrap_or_else(|| {
        seen.push(item);
        seen.len() - 1
    });
    place as u64
}

/// Something in an event that is not the same in the next run.
enum Volatile<'a> {
    Namespace(&'a mut NamespaceId),
    Inode(&'a mut (u32, u32), &'a mut u64),
    MachinePid(&'a mut i32),
    Mac(&'a mut MacAddress),
    Kernel(&'a mut String),
    Reading(&'a mut Reading),
}

/// Visits everything volatile in an event, in reading order.
fn each_in(event: &mut Event, see: &mut impl FnMut(Volatile<'_>)) {
    match event {
        Event::Lesson(opening) => each_volatile(&mut opening.kernel, see),
        Event::Called(called) => {
            called.call.args.iter_mut().for_each(|arg| each_volatile(arg, see));
            if let Answer::Returned(value) = &mut called.answer {
                each_volatile(value, see);
            }
        }
        Event::Saw { look, .. } => look.values_mut().for_each(|value| each_volatile(value, see)),
        Event::WhoIsWhere { members, .. } => each_namespace(members, see),
        Event::Stood { members } => each_namespace(members, see),
        Event::Compared { before, after, .. } => {
            before.values_mut().for_each(|value| each_volatile(value, see));
            after.values_mut().for_each(|value| each_volatile(value, see));
        }
        Event::Verified { evidence, .. } => evidence.iter_mut().for_each(|value| each_volatile(value, see)),
        Event::Ended(closing) => closing.kernel.iter_mut().for_each(|kernel| each_volatile(kernel, see)),
        Event::Step { .. }
        | Event::Said { .. }
        | Event::Skipped { .. }
        | Event::ByHand { .. }
        | Event::Asked(_)
        | Event::Answered { .. } => {}
    }
}

fn each_namespace(members: &mut [Membership], see: &mut impl FnMut(Volatile<'_>)) {
    members.iter_mut().flat_map(|row| &mut row.namespaces).for_each(|id| see(Volatile::Namespace(id)));
}

fn each_volatile(value: &mut Value, see: &mut impl FnMut(Volatile<'_>)) {
    match value {
        Value::Namespace(id) => see(Volatile::Namespace(id)),
        Value::Inode { device, inode } => see(Volatile::Inode(device, inode)),
        Value::MachinePid(pid) => see(Volatile::MachinePid(pid)),
        Value::Kernel(release) => see(Volatile::Kernel(release)),
        Value::Mac(mac) => see(Volatile::Mac(mac)),
        Value::Time(reading) | Value::Seconds(reading) => see(Volatile::Reading(reading)),
        Value::List(values) => values.iter_mut().for_each(|value| each_volatile(value, see)),
        Value::Right(_, value) => each_volatile(value, see),
        Value::Text(_) | Value::Name(_) | Value::Number(_) | Value::Pid(_) | Value::Flags(_) | Value::Nothing => {}
    }
}

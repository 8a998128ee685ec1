//! Whose the stage is: the maps of its user namespace, user_namespaces(7).

use std::fs;
use std::ops::Range;
use std::os::unix::fs::MetadataExt;

use nix::unistd::{Gid, Uid, setgroups, setresgid, setresuid};

use super::taken::taken;
use crate::args;
use crate::error::{About, CallResult, Error, Result};
use crate::observe::{kernel_file, known_as};
use crate::transcript::{Object, Value};

/// How many ids a stage opened by root is made of, where there are so many that nobody has.
const COUNT: u64 = 65_536;

/// Where they are looked for, from the top: the highest below are those that nothing is known to give to anybody. Debian's
/// subuid(5) ends at 600,100,000, systemd's containers at 1,879,048,191, OpenShift's at 1,999,999,999, and the users of LDAP
/// and Active Directory at 2,000,200,000 as SSSD numbers them. From 0x7FFE0000 on systemd has ids again, and those from
/// 2³¹ on some programs take for negative numbers. Below 65536 are a machine's own users.
const ROOM: Range<u64> = 65_536..0x7FFE_0000;

/// A single id may be any but root's, and the one that means none: setresuid(2).
const ANYWHERE: Range<u64> = 1..u32::MAX as u64;

/// Who writes the stage's maps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Maps {
    /// A plain user: the stage itself maps its one id to 0.
    Own {
        /// The user's id.
        uid: u32,
        /// The user's group.
        gid: u32,
    },
    /// Root: the program maps ids to 0 and up that are nobody's, and the stage drops into them. Never its own: a stage
    /// whose root is the machine's root could read the shadow file and make real cgroups.
    Range {
        /// The first id on the machine.
        first: u32,
        /// How many.
        count: u32,
    },
}

impl Maps {
    /// The right ones for whoever runs this program.
    pub(super) fn choose() -> Result<Maps> {
        let (uid, gid) = (Uid::effective(), Gid::effective());
        if !uid.is_root() {
            return Ok(Maps::Own { uid: uid.as_raw(), gid: gid.as_raw() });
        }
        let map = |file: &str| kernel_file::read(file).or_refused("read", args![file]);
        let (users, groups) = (map("/proc/self/uid_map")?, map("/proc/self/gid_map")?);
        let extents = in_both(&extents(&users), &extents(&groups));
        let (taken, roots) = (taken()?, machines_root());
        let maps = choose_for_root(&extents, taken, &roots, gid.as_raw()).ok_or(Error::NoIdsForRoot)?;
        // Nobody's are the ids that a stage has then.
        if matches!(maps, Maps::Range { .. }) && fs::metadata("/").is_ok_and(|root| root.mode() & 0o001 == 0) {
            return Err(Error::ClosedRoot);
        }
        Ok(maps)
    }

    /// Writes the maps from inside, where that is the stage's own affair.
    pub(super) fn write_own(&self) -> Result<()> {
        let Maps::Own { uid, gid } = self else { return Ok(()) };
        // Before gid_map, or that one is EPERM: else a group that denies its members something could be dropped.
        write("/proc/self/setgroups", "deny").about(Object::Setgroups)?;
        write("/proc/self/uid_map", &format!("0 {uid} 1")).about(Object::Map)?;
        write("/proc/self/gid_map", &format!("0 {gid} 1")).about(Object::Map)
    }

    /// Writes the maps of the stage's first process from outside, where that is root's affair.
    pub(super) fn write_for(&self, pid: i32) -> Result<()> {
        let Maps::Range { first, count } = self else { return Ok(()) };
        write_both(pid, *first, *count)
    }

    /// Writes the maps of a process in a user namespace below the stage's: every id there keeps its number.
    pub(super) fn write_again_for(&self, pid: i32) -> Result<()> {
        match self {
            Maps::Own { .. } => write_both(pid, 0, 1),
            Maps::Range { count, .. } => write_both(pid, 0, *count),
        }
    }

    /// Becomes root of the stage, and nobody of the machine.
    pub(super) fn drop_into(&self) -> Result<()> {
        if let Maps::Range { .. } = self {
            // The groups go first: once the ids are dropped, that would need a capability again.
            setgroups(&[]).or_refused("setgroups", args!["[]"]).about(Object::Setgroups)?;
            let (gid, uid) = (Gid::from_raw(0), Uid::from_raw(0));
            setresgid(gid, gid, gid).or_refused("setresgid", args![0_i64]).about(Object::Map)?;
            setresuid(uid, uid, uid).or_refused("setresuid", args![0_i64]).about(Object::Map)?;
        }
        Ok(())
    }
}

/// The numbers that the machine's root and its group have in this user namespace: whose the files of /proc are. None where
/// it has none.
fn machines_root() -> Vec<u32> {
    /// What the kernel shows instead of an id that has no number here: user_namespaces(7).
    const OVERFLOW: u32 = 65_534;
    // Where /proc shows processes alone, its own directory is left. Where nobody can tell, root is taken for the machine's.
    let seen = fs::metadata("/proc/version").or_else(|_| fs::metadata("/proc"));
    let owners = seen.map_or(vec![0], |seen| vec![seen.uid(), seen.gid()]);
    owners.into_iter().filter(|owner| *owner != OVERFLOW).collect()
}

/// The ids that a map has on its inner side.
fn extents(map: &[u8]) -> Vec<Range<u64>> {
    let extent = |line| {
        let mut numbers = kernel_file::fields(line).map(kernel_file::number::<u32>);
        let inside = numbers.next()??;
        Some(inside.into()..u64::from(inside) + u64::from(numbers.nth(1)??))
    };
    kernel_file::lines(map).filter_map(extent).collect()
}

/// The ids that are in both maps: a stage has the same for its users and its groups.
fn in_both(users: &[Range<u64>], groups: &[Range<u64>]) -> Vec<Range<u64>> {
    users
        .iter()
        .flat_map(|user| groups.iter().map(|group| within(user, group)))
        .filter(|both| !both.is_empty())
        .collect()
}

fn within(one: &Range<u64>, other: &Range<u64>) -> Range<u64> {
    one.start.max(other.start)..one.end.min(other.end)
}

/// Ids for a stage of root's, of those that root's user namespace has and nobody else has taken: 65536, or, where a
/// container has not got so many, a single one. `None` if that would have to be the machine's root, whatever its number
/// in here.
fn choose_for_root(
    extents: &[Range<u64>],
    mut taken: Vec<Range<u64>>,
    machines_root: &[u32],
    gid: u32,
) -> Option<Maps> {
    taken.extend(machines_root.iter().map(|root| u64::from(*root)..u64::from(*root) + 1));
    taken.sort_unstable_by_key(|range| std::cmp::Reverse(range.end));
    let free = |room: &Range<u64>, count: u64| {
        extents.iter().filter_map(|extent| highest_free(&within(extent, room), &taken, count)).max()
    };
    for (room, count) in [(&ROOM, COUNT), (&ANYWHERE, 1)] {
        if let Some(first) = free(room, count) {
            return Some(Maps::Range { first: u32::try_from(first).ok()?, count: u32::try_from(count).ok()? });
        }
    }
    // Root of a user namespace with one id is the plain user that made it.
    let is_users = extents.iter().any(|extent| extent.contains(&0)) && !machines_root.contains(&0);
    is_users.then_some(Maps::Own { uid: 0, gid })
}

/// The first of the highest `count` ids in a row of these that nobody has. `taken` begins with what ends highest.
fn highest_free(extent: &Range<u64>, taken: &[Range<u64>], count: u64) -> Option<u64> {
    let mut first = extent.end.checked_sub(count)?;
    for range in taken.iter().filter(|range| !range.is_empty()) {
        if range.end <= first {
            break;
        }
        if range.start < first + count {
            first = range.start.checked_sub(count)?;
        }
    }
    (first >= extent.start).then_some(first)
}

/// Makes the caller root of the user namespace that it has just made: its own id there becomes 0.
pub(crate) fn map_root() -> Result<()> {
    Maps::Own { uid: 0, gid: 0 }.write_own()
}

/// Writes the maps of a process from the user namespace above: `count` ids from `first` on become 0 and up.
fn write_both(pid: i32, first: u32, count: u32) -> Result<()> {
    let pid = known_as::number(pid).or_refused("open", args!["/proc/self/fdinfo"])?;
    let map = format!("0 {first} {count}");
    ["uid_map", "gid_map"]
        .into_iter()
        .try_for_each(|file| write(&format!("/proc/{pid}/{file}"), &map))
        .about(Object::Map)
}

/// Writes a map; it must be one write(2).
fn write(path: &str, map: &str) -> Result<()> {
    fs::write(path, map).or_refused("write", vec![path.into(), Value::Name(map.to_owned())])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The whole of a machine's.
    const WHOLE: &str = "         0          0 4294967295\n";
    const HIGHEST: u64 = ROOM.end - COUNT;

    fn chosen(map: &str, taken: &[(u64, u64)], machines_root: &[u32]) -> Option<Maps> {
        choose_for_root(
            &extents(map.as_bytes()),
            taken.iter().map(|(first, end)| *first..*end).collect(),
            machines_root,
            0,
        )
    }

    fn range(first: u64, count: u32) -> Option<Maps> {
        Some(Maps::Range { first: u32::try_from(first).unwrap(), count })
    }

    #[test]
    fn root_of_the_machine_gets_ids_that_are_nobodys() {
        assert_eq!(chosen(WHOLE, &[], &[0]), range(HIGHEST, 65_536));
    }

    #[test]
    fn root_of_a_container_gets_the_highest_id_that_nobody_has() {
        let map = "0 1000 1\n1 100000 65536\n";
        assert_eq!(chosen(map, &[], &[]), range(65_536, 1));
        assert_eq!(chosen(map, &[(65_000, 65_537)], &[]), range(64_999, 1));
        assert_eq!(chosen("0 100000 1000000\n", &[], &[]), range(1_000_000 - COUNT, 65_536));
    }

    #[test]
    fn root_of_a_user_namespace_of_a_plain_user_is_that_user() {
        let own = Some(Maps::Own { uid: 0, gid: 0 });
        assert_eq!(chosen("0 1000 1\n", &[(0, 1)], &[]), own);
        // The same one namespace further in: the second number is that of the namespace in between.
        assert_eq!(chosen("0 0 1\n", &[], &[]), own);
    }

    #[test]
    fn ids_that_somebody_has_are_left_alone() {
        assert_eq!(chosen(WHOLE, &[(HIGHEST + 7, HIGHEST + 8)], &[0]), range(HIGHEST + 7 - COUNT, 65_536));
        // One within another, and one that touches.
        let nested = [(HIGHEST, u64::MAX), (HIGHEST + 5, HIGHEST + 6), (HIGHEST - COUNT - 9, HIGHEST - COUNT)];
        assert_eq!(chosen(WHOLE, &nested, &[0]), range(HIGHEST - COUNT, 65_536));
        assert_eq!(chosen(WHOLE, &[(1, 4_294_967_294)], &[0]), range(4_294_967_294, 1));
        assert_eq!(chosen(WHOLE, &[(1, 4_294_967_296)], &[0]), None);
    }

    #[test]
    fn the_machines_root_is_never_mapped() {
        assert_eq!(chosen("0 0 1\n", &[], &[0]), None);
        assert_eq!(chosen("", &[], &[0]), None);
        assert_eq!(chosen("0 1000 1\n1 0 1\n", &[(0, 1)], &[1]), Some(Maps::Own { uid: 0, gid: 0 }));
        assert_eq!(chosen("0 1000 300000\n", &[], &[200_001]), range(300_000 - COUNT, 65_536));
        assert_eq!(chosen("0 1000 300000\n", &[], &[250_000]), range(250_000 - COUNT, 65_536));
    }

    #[test]
    fn a_stage_has_ids_that_are_in_both_maps() {
        assert_eq!(in_both(&extents(b"0 0 100\n500 500 9\n"), &extents(b"10 10 495\n")), [10..100, 500..505]);
    }

    proptest::proptest! {
        #[test]
        fn no_map_is_too_strange_to_be_read(
            map in "([0-9]{1,11}[ \\t-]{0,3}){0,9}\\PC{0,9}(\n[0-9]{1,10} [0-9]{1,10} [0-9]{1,10}){0,3}",
            root in 0..400_000_u32,
        ) {
            if let Some(Maps::Range { first, count }) = chosen(&map, &[], &[root]) {
                proptest::prop_assert!(first > 0 && count > 0 && first.checked_add(count - 1).is_some());
                proptest::prop_assert!(!(first..=first + (count - 1)).contains(&root));
            }
        }

        #[test]
        fn what_is_taken_is_never_given(
            ranges in proptest::collection::vec((0..0x9000_0000_u64, 0..0x4000_0000_u64), 0..8),
            close in proptest::collection::vec((0..3 * COUNT, 0..COUNT), 0..5),
        ) {
            let high = close.iter().map(|(below, count)| (ROOM.end - below, ROOM.end - below + count));
            let taken: Vec<(u64, u64)> = ranges.iter().map(|(first, count)| (*first, first + count)).chain(high).collect();
            if let Some(Maps::Range { first, count }) = chosen(WHOLE, &taken, &[0]) {
                let given = u64::from(first)..u64::from(first) + u64::from(count);
                proptest::prop_assert!(taken.iter().all(|(first, end)| within(&(*first..*end), &given).is_empty()));
            }
        }
    }
}

//! Whose the stage is: the maps of its user namespace, user_namespaces(7).

use std::fs;
use std::os::unix::fs::MetadataExt;

use nix::unistd::{Gid, Uid, setgroups, setresgid, setresuid};

use crate::args;
use crate::error::{About, CallResult, Error, Result};
use crate::transcript::{Object, Value};

/// The ids that a stage opened by root is made of, or the first behind them that the machine has given to nobody.
const NOBODYS: u32 = 200_000;
/// How many of them there are.
const COUNT: u32 = 65_536;

/// Where a machine writes which ranges of ids it has given to its users: subuid(5), subgid(5).
const GIVEN_AWAY: [&str; 2] = ["/etc/subuid", "/etc/subgid"];

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
        let known = fs::read_to_string("/proc/self/uid_map").or_refused("read", args!["/proc/self/uid_map"])?;
        let given: Vec<String> = GIVEN_AWAY.iter().filter_map(|file| fs::read_to_string(file).ok()).collect();
        choose_for_root(&known, &given.concat(), machines_root()).ok_or(Error::NoIdsForRoot)
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
        write(&format!("/proc/{pid}/uid_map"), &format!("0 {first} {count}")).about(Object::Map)?;
        write(&format!("/proc/{pid}/gid_map"), &format!("0 {first} {count}")).about(Object::Map)
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

/// The number that the machine's root has in this user namespace: whose the files of /proc are. `None` where it has none.
fn machines_root() -> Option<u32> {
    /// What the kernel shows instead of an id that has no number here: user_namespaces(7).
    const OVERFLOW: u32 = 65_534;
    // Where /proc shows processes alone, its own directory is left. Where nobody can tell, root is taken for the machine's.
    let seen = fs::metadata("/proc/version").or_else(|_| fs::metadata("/proc"));
    let owner = seen.map_or(0, |seen| seen.uid());
    Some(owner).filter(|owner| *owner != OVERFLOW)
}

/// Ids for a stage of root's, from root's own uid_map and the ranges that were given to users: 65536 of the machine's ids
/// from 200000 on, or, where a container has not got those, the highest that there is. `None` if that would be the
/// machine's root, whatever its number in here.
fn choose_for_root(uid_map: &str, given: &str, machines_root: Option<u32>) -> Option<Maps> {
    let extents = uid_map.lines().filter_map(|line| {
        let mut numbers = line.split_whitespace().map(str::parse::<u32>);
        let inside = numbers.next()?.ok()?;
        Some((inside, numbers.nth(1)?.ok()?))
    });
    let extents: Vec<(u32, u32)> = extents.collect();
    let (first, count) = (first_free(given), u64::from(COUNT));
    let holds_all = |&(inside, held): &(u32, u32)| {
        u64::from(inside) <= first && u64::from(inside) + u64::from(held) >= first + count
    };
    let is_roots =
        |first: u64, count: u64| machines_root.is_some_and(|root| (first..first + count).contains(&u64::from(root)));
    if extents.iter().any(holds_all) && !is_roots(first, count) {
        return Some(Maps::Range { first: u32::try_from(first).ok()?, count: COUNT });
    }
    let &(inside, held) = extents.iter().max_by_key(|(inside, _)| *inside)?;
    match inside.checked_add(held.checked_sub(1)?)? {
        highest if is_roots(highest.into(), 1) => None,
        // Root of a user namespace with one id is the plain user that made it.
        0 => Some(Maps::Own { uid: 0, gid: 0 }),
        highest => Some(Maps::Range { first: highest, count: 1 }),
    }
}

/// The first id from 200000 on behind which there are enough that are in no user's range: `NAME:FIRST:COUNT` a line.
fn first_free(given: &str) -> u64 {
    let range = |line: &str| {
        let mut fields = line.trim().rsplit(':').map(str::parse::<u64>);
        let (count, first) = (fields.next()?.ok()?, fields.next()?.ok()?);
        Some((first, first.saturating_add(count)))
    };
    let mut ranges: Vec<(u64, u64)> = given.lines().filter_map(range).collect();
    ranges.sort_unstable();
    let count = u64::from(COUNT);
    let behind = |free: u64, (first, end): (u64, u64)| if first < free + count && free < end { end } else { free };
    ranges.into_iter().fold(NOBODYS.into(), behind)
}

/// Makes the caller root of the user namespace that it has just made: its own id there becomes 0.
pub(crate) fn map_root() -> Result<()> {
    Maps::Own { uid: 0, gid: 0 }.write_own()
}

/// Writes a map; it must be one write(2).
fn write(path: &str, map: &str) -> Result<()> {
    fs::write(path, map).or_refused("write", vec![path.into(), Value::Name(map.to_owned())])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_of_the_machine_gets_ids_that_are_nobodys() {
        let whole = "         0          0 4294967295\n";
        assert_eq!(choose_for_root(whole, "", Some(0)), Some(Maps::Range { first: 200_000, count: 65_536 }));
    }

    #[test]
    fn root_of_a_container_gets_the_highest_id_there_is() {
        let map = "0 1000 1\n1 100000 65536\n";
        assert_eq!(choose_for_root(map, "", None), Some(Maps::Range { first: 65_536, count: 1 }));
    }

    #[test]
    fn root_of_a_user_namespace_of_a_plain_user_is_that_user() {
        assert_eq!(choose_for_root("0 1000 1\n", "", None), Some(Maps::Own { uid: 0, gid: 0 }));
        // The same one namespace further in: the second number is that of the namespace in between.
        assert_eq!(choose_for_root("0 0 1\n", "", None), Some(Maps::Own { uid: 0, gid: 0 }));
    }

    #[test]
    fn ids_that_users_have_been_given_are_left_alone() {
        assert_eq!(first_free(""), 200_000);
        assert_eq!(first_free("a:100000:65536\nb:165536:65536\nc:231072:65536\n"), 296_608);
        assert_eq!(first_free("c:265000:10\n# a remark\nb:x:y\nd:400000:65536"), 265_010);
        let (whole, all) = ("0 0 4294967295\n", "a:1:4294967295");
        assert_eq!(choose_for_root(whole, all, Some(0)), Some(Maps::Range { first: u32::MAX - 1, count: 1 }));
    }

    #[test]
    fn the_machines_root_is_never_mapped() {
        assert_eq!(choose_for_root("0 0 1\n", "", Some(0)), None);
        assert_eq!(choose_for_root("", "", Some(0)), None);
        assert_eq!(choose_for_root("0 1000 1\n1 0 1\n", "", Some(1)), None);
        assert_eq!(
            choose_for_root("0 1000 300000\n", "", Some(200_001)),
            Some(Maps::Range { first: 299_999, count: 1 })
        );
    }

    proptest::proptest! {
        #[test]
        fn no_map_is_too_strange_to_be_read(
            map in "([0-9]{1,11}[ \\t-]{0,3}){0,9}\\PC{0,9}(\n[0-9]{1,10} [0-9]{1,10} [0-9]{1,10}){0,3}",
            root in 0..400_000_u32,
            given in "(\\PC{0,9}:?[0-9]{0,10}:[0-9]{0,10}\n){0,5}",
        ) {
            if let Some(Maps::Range { first, count }) = choose_for_root(&map, &given, Some(root)) {
                proptest::prop_assert!(first > 0 && count > 0 && first.checked_add(count - 1).is_some());
                proptest::prop_assert!(!(first..=first + (count - 1)).contains(&root));
            }
        }

        #[test]
        fn what_was_given_away_is_never_taken(ranges in proptest::collection::vec((0..500_000_u64, 0..200_000_u64), 0..8)) {
            let given: String = ranges.iter().map(|(first, count)| format!("somebody:{first}:{count}\n")).collect();
            let free = first_free(&given);
            let apart = |(first, count): &(u64, u64)| first + count <= free || free + u64::from(COUNT) <= *first;
            proptest::prop_assert!(free >= NOBODYS.into() && ranges.iter().all(|range| range.1 == 0 || apart(range)));
        }
    }
}

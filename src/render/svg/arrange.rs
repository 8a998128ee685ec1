//! Who stands next to whom, and which frames lie around them: namespaces as sets of actors, put in a row.

use crate::transcript::{Membership, NamespaceId};

/// A frame around neighbours: all namespaces that exactly these actors are in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Frame {
    /// The place of the first of them in the row.
    pub(super) first: usize,
    /// The place of the last.
    pub(super) last: usize,
    /// How many frames lie around this one, or cross it, and are drawn further out.
    pub(super) depth: usize,
    /// The namespaces.
    pub(super) namespaces: Vec<NamespaceId>,
}

/// Actors in a row, and the frames around them.
#[derive(Debug)]
pub(super) struct Arrangement {
    /// The actors' indices, in the order in which they stand.
    pub(super) row: Vec<usize>,
    /// From the outermost to the innermost.
    pub(super) frames: Vec<Frame>,
}

/// Up to how many actors all orders are tried.
const TRIED: usize = 8;

/// Puts actors in a row such that those who share a namespace stand together, as far as that is possible, and otherwise
/// in the order in which they came. The first one, the host, stays the first.
pub(super) fn arrange(members: &[Membership]) -> Arrangement {
    let sets = sets(members);
    let mut best: Vec<usize> = (0..members.len()).collect();
    if members.len() <= TRIED {
        let mut least = usize::MAX;
        let mut row = best.clone();
        each_order(&mut row, 1, &mut |row| {
            let badness = badness(row, &sets);
            if badness < least {
                least = badness;
                best = row.to_vec();
            }
        });
    }
    let frames = frames(&best, &sets);
    Arrangement { row: best, frames }
}

/// A set of actors, by their indices, and the namespaces that they are the members of.
type Set = (Vec<usize>, Vec<NamespaceId>);

fn sets(members: &[Membership]) -> Vec<Set> {
    let mut sets: Vec<Set> = Vec::new();
    let mut known: Vec<NamespaceId> = Vec::new();
    for id in members.iter().flat_map(|member| &member.namespaces) {
        if known.contains(id) {
            continue;
        }
        known.push(*id);
        let inside: Vec<usize> = (0..members.len()).filter(|at| members[*at].namespaces.contains(id)).collect();
        match sets.iter_mut().find(|(actors, _)| *actors == inside) {
            Some((_, namespaces)) => namespaces.push(*id),
            None => sets.push((inside, vec![*id])),
        }
    }
    sets
}

/// Calls `see` with every order of `row[from..]`, the given one first.
fn each_order(row: &mut Vec<usize>, from: usize, see: &mut impl FnMut(&[usize])) {
    if from + 1 >= row.len() {
        return see(row);
    }
    for next in from..row.len() {
        // A rotation, not a swap: so the orders come in the order of a dictionary.
        row[from..=next].rotate_right(1);
        each_order(row, from + 1, see);
        row[from..=next].rotate_left(1);
    }
}

/// How far a row is from one where nothing is torn apart and nothing crosses.
fn badness(row: &[usize], sets: &[Set]) -> usize {
    let pieces: Vec<(usize, usize)> = sets.iter().flat_map(|(actors, _)| pieces(row, actors)).collect();
    let torn = pieces.len() - sets.len();
    let crosses = |one: &(usize, usize), other: &(usize, usize)| one.0 < other.0 && other.0 <= one.1 && one.1 < other.1;
    let crossings = pieces.iter().map(|one| pieces.iter().filter(|other| crosses(one, other)).count()).sum::<usize>();
    torn * 100 + crossings
}

/// The runs of neighbours in a row that belong to a set: first and last place of each.
fn pieces(row: &[usize], actors: &[usize]) -> Vec<(usize, usize)> {
    let mut pieces: Vec<(usize, usize)> = Vec::new();
    for place in (0..row.len()).filter(|place| actors.contains(&row[*place])) {
        match pieces.last_mut() {
            Some((_, last)) if *last + 1 == place => *last = place,
            _ => pieces.push((place, place)),
        }
    }
    pieces
}

fn frames(row: &[usize], sets: &[Set]) -> Vec<Frame> {
    let mut frames: Vec<Frame> = Vec::new();
    for (actors, namespaces) in sets {
        let pieces = pieces(row, actors).into_iter();
        frames.extend(pieces.map(|(first, last)| Frame { first, last, depth: 0, namespaces: namespaces.clone() }));
    }
    frames.sort_by_key(|frame| (std::cmp::Reverse(frame.last - frame.first), frame.first));
    for at in 0..frames.len() {
        let (placed, rest) = frames.split_at_mut(at);
        let this = &mut rest[0];
        let touching = placed.iter().filter(|other| other.first <= this.last && this.first <= other.last);
        this.depth = touching.map(|other| other.depth + 1).max().unwrap_or_default();
    }
    frames
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transcript::NamespaceType;

    /// Actors by the inodes of their UTS and network namespaces.
    fn members(namespaces: &[(u64, u64)]) -> Vec<Membership> {
        let id = |kind, inode| NamespaceId { kind, inode, letter: None };
        let member = |(at, (uts, net)): (usize, &(u64, u64))| Membership {
            actor: format!("actor{at}"),
            pids: vec![1],
            namespaces: vec![id(NamespaceType::Net, *net), id(NamespaceType::Uts, *uts)],
        };
        namespaces.iter().enumerate().map(member).collect()
    }

    fn spans(arrangement: &Arrangement) -> Vec<(usize, usize, usize)> {
        arrangement.frames.iter().map(|frame| (frame.first, frame.last, frame.depth)).collect()
    }

    #[test]
    fn actors_who_share_all_stand_in_one_frame() {
        let arrangement = arrange(&members(&[(1, 1), (1, 1)]));
        assert_eq!(spans(&arrangement), [(0, 1, 0)]);
        assert_eq!(arrangement.frames[0].namespaces.len(), 2);
    }

    #[test]
    fn a_namespace_of_ones_own_is_a_frame_inside_of_what_is_shared() {
        let arrangement = arrange(&members(&[(1, 1), (2, 1)]));
        assert_eq!(spans(&arrangement), [(0, 1, 0), (0, 0, 1), (1, 1, 1)]);
    }

    #[test]
    fn those_who_share_a_namespace_are_put_together() {
        let arrangement = arrange(&members(&[(1, 1), (2, 2), (3, 1)]));
        assert_eq!(arrangement.row, [0, 2, 1]);
        let shared = arrangement.frames.iter().find(|frame| frame.last > frame.first).unwrap();
        assert_eq!((shared.first, shared.last), (0, 1));
    }

    #[test]
    fn a_set_that_cannot_stand_together_has_a_frame_for_each_part() {
        // Each of three shares something with the host, and something else with both of its neighbours.
        let arrangement = arrange(&members(&[(1, 1), (1, 2), (2, 1), (2, 2)]));
        let actors: usize = arrangement.frames.iter().map(|frame| frame.last - frame.first + 1).sum();
        assert_eq!(actors, 8, "each of four is in two frames");
    }
}

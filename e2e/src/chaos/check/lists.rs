//! Lists to which several clients append: every read is the beginning of every later one, and what was acknowledged before a read began is in it.

use super::{Fate, Finding, Wrong};
use std::collections::{BTreeMap, BTreeSet};

/// How many elements go into one list before the next is begun: reads of it stay small.
const ELEMENTS: i64 = 200;

/// All lists, judged while they grow.
#[derive(Debug, Default)]
pub struct Lists {
    last: i64,
    lists: BTreeMap<i64, List>,
}

#[derive(Debug, Default)]
struct List {
    fates: BTreeMap<i64, Option<Fate>>,
    /// In the order in which their acknowledgements came.
    acknowledged: Vec<i64>,
    longest: Vec<i64>,
}

/// What was acknowledged when a read began.
#[derive(Debug, Clone, Copy)]
pub struct Begun(usize);

impl Lists {
    /// Somebody is about to append the next element: to which list, and which.
    pub fn appends(&mut self) -> (i64, i64) {
        self.last += 1;
        let key = Self::key_of(self.last);
        self.lists.entry(key).or_default().fates.insert(self.last, None);
        (key, self.last)
    }

    /// An append's call ended.
    pub fn ended(&mut self, element: i64, fate: Fate) {
        let list = self.lists.entry(Self::key_of(element)).or_default();
        list.fates.insert(element, Some(fate));
        if fate == Fate::Acknowledged {
            list.acknowledged.push(element);
        }
    }

    /// The list that grows now, and what a read of it must show.
    pub fn reads(&self) -> (i64, Begun) {
        let key = Self::key_of(self.last.max(1));
        (key, self.begun(key))
    }

    /// What a read of this list must show from now on.
    pub fn begun(&self, key: i64) -> Begun {
        Begun(self.lists.get(&key).map_or(0, |list| list.acknowledged.len()))
    }

    /// The keys of all lists.
    pub fn keys(&self) -> Vec<i64> {
        self.lists.keys().copied().collect()
    }

    /// A read's answer.
    pub fn read(&mut self, key: i64, Begun(begun): Begun, items: &[i64]) -> Vec<Finding> {
        let list = self.lists.entry(key).or_default();
        let mut findings = Vec::new();
        let mut find =
            |wrong, what: String| findings.push(Finding::new(wrong, format!("list {key}: {what}")));
        let there: BTreeSet<i64> = items.iter().copied().collect();
        if there.len() != items.len() {
            find(Wrong::Twice, format!("an element is there twice in {items:?}"));
        }
        let missing: Vec<_> = list.acknowledged.iter().take(begun).filter(|e| !there.contains(e)).collect();
        if !missing.is_empty() {
            find(Wrong::Lost, format!("acknowledged before a read and not in it: {missing:?}"));
        }
        for item in &there {
            match list.fates.get(item) {
                Some(Some(Fate::Refused)) => find(Wrong::Ghost, format!("{item} was refused and is there")),
                None => find(Wrong::Ghost, format!("nobody sent {item}")),
                Some(Some(Fate::Acknowledged | Fate::Unknown) | None) => {}
            }
        }
        let (short, long) = if items.len() < list.longest.len() {
            (items, list.longest.as_slice())
        } else {
            (list.longest.as_slice(), items)
        };
        if long.starts_with(short) {
            if items.len() > list.longest.len() {
                list.longest = items.to_vec();
            }
        } else {
            let differ = short.iter().zip(long).take_while(|(one, other)| one == other).count();
            let (one, other) = (short.get(differ), long.get(differ));
            find(Wrong::Forked, format!("two reads differ at {differ}: {one:?} and {other:?}"));
        }
        findings
    }

    fn key_of(element: i64) -> i64 {
        (element - 1) / ELEMENTS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A list of which 1 and 2 are acknowledged, 3 is refused, 4 unknown and 5 under way.
    fn history() -> Lists {
        let mut lists = Lists::default();
        let elements: Vec<_> = (0..5).map(|_| lists.appends().1).collect();
        let fates = [Fate::Acknowledged, Fate::Acknowledged, Fate::Refused, Fate::Unknown];
        for (element, fate) in elements.into_iter().zip(fates) {
            lists.ended(element, fate);
        }
        lists
    }

    fn kinds(findings: &[Finding]) -> Vec<Wrong> {
        findings.iter().map(|f| f.wrong).collect()
    }

    #[test]
    fn reads_that_grow_are_right_in_any_order_of_their_answers() {
        let mut lists = history();
        let begun = lists.begun(0);
        assert_eq!(lists.read(0, begun, &[2, 1, 4]), []);
        assert_eq!(lists.read(0, begun, &[2, 1]), []);
        assert_eq!(lists.read(0, begun, &[2, 1, 4, 5]), []);
    }

    #[test]
    fn a_read_without_what_was_acknowledged_before_it_is_a_loss() {
        let mut lists = history();
        let begun = lists.begun(0);
        assert_eq!(kinds(&lists.read(0, begun, &[2])), [Wrong::Lost]);
        assert_eq!(kinds(&history().read(0, begun, &[1])), [Wrong::Lost], "the last one counts too");
        assert_eq!(lists.read(0, Begun(0), &[2]), [], "one that began before may not show it yet");
    }

    #[test]
    fn forks_duplicates_and_ghosts_are_found() {
        let mut lists = history();
        assert_eq!(lists.read(0, Begun(0), &[1, 2, 4]), []);
        assert_eq!(kinds(&lists.read(0, Begun(0), &[1, 2, 5])), [Wrong::Forked]);
        assert_eq!(kinds(&lists.read(0, Begun(0), &[1, 2, 4, 4])), [Wrong::Twice]);
        let mut lists = history();
        assert_eq!(kinds(&lists.read(0, Begun(0), &[1, 3])), [Wrong::Ghost]);
        let mut lists = history();
        assert_eq!(kinds(&lists.read(0, Begun(0), &[1, 77])), [Wrong::Ghost]);
    }

    #[test]
    fn a_full_list_is_followed_by_the_next() {
        let mut lists = Lists::default();
        let keys: Vec<_> = (0..=ELEMENTS).map(|_| lists.appends().0).collect();
        assert_eq!((keys[0], keys[199], keys[200]), (0, 0, 1));
        assert_eq!(lists.reads().0, 1);
        assert_eq!(lists.keys(), [0, 1]);
    }
}

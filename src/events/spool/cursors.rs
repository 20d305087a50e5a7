//! How far each sink is.

use std::collections::BTreeMap;

use super::{SinkStats, SpoolError};

/// How far a sink is, and what became of what it should have had.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Cursor {
    /// The sequence number of the last event that it has acknowledged, or lost.
    pub(super) at: u64,
    pub(super) delivered: u64,
    pub(super) dropped: u64,
    pub(super) failures: u64,
    pub(super) last_error: Option<String>,
    /// The database does not have it so.
    pub(super) changed: bool,
}

/// Every sink's cursor, and which of them the database does not have yet.
#[derive(Debug, Default)]
pub(super) struct Cursors {
    sinks: BTreeMap<String, Cursor>,
    removed: Vec<String>,
}

/// What the database has to take over.
#[derive(Debug, Default)]
pub(super) struct Changes {
    pub(super) changed: Vec<(String, Cursor)>,
    pub(super) removed: Vec<String>,
}

impl Cursors {
    pub(super) fn load(&mut self, name: String, cursor: Cursor) {
        self.sinks.insert(name, cursor);
    }

    /// A new sink begins behind the last event.
    pub(super) fn register(&mut self, name: &str, last: u64) {
        if !self.sinks.contains_key(name) {
            self.removed.retain(|removed| removed != name);
            let cursor = Cursor { at: last, changed: true, ..Cursor::default() };
            self.sinks.insert(name.to_owned(), cursor);
        }
    }

    pub(super) fn unregister(&mut self, name: &str) -> bool {
        let was_there = self.sinks.remove(name).is_some();
        if was_there {
            self.removed.push(name.to_owned());
        }
        was_there
    }

    pub(super) fn names(&self) -> Vec<String> {
        self.sinks.keys().cloned().collect()
    }

    pub(super) fn get(&self, name: &str) -> Result<&Cursor, SpoolError> {
        self.sinks.get(name).ok_or_else(|| SpoolError::NoSuchSink(name.to_owned()))
    }

    fn change(&mut self, name: &str) -> Result<&mut Cursor, SpoolError> {
        let cursor = self.sinks.get_mut(name);
        let cursor = cursor.ok_or_else(|| SpoolError::NoSuchSink(name.to_owned()))?;
        cursor.changed = true;
        Ok(cursor)
    }

    /// Everything up to this event has been delivered.
    pub(super) fn acknowledge(&mut self, name: &str, sequence: u64) -> Result<(), SpoolError> {
        let cursor = self.change(name)?;
        if sequence > cursor.at {
            cursor.delivered += sequence - cursor.at;
            cursor.at = sequence;
        }
        cursor.last_error = None;
        Ok(())
    }

    /// A sink gives one event up: its receiver refuses it for good.
    pub(super) fn give_up(&mut self, name: &str, sequence: u64) -> Result<(), SpoolError> {
        let cursor = self.change(name)?;
        if sequence > cursor.at {
            cursor.delivered += sequence - cursor.at - 1;
            cursor.dropped += 1;
            cursor.at = sequence;
        }
        Ok(())
    }

    pub(super) fn failed(&mut self, name: &str, error: &str) -> Result<(), SpoolError> {
        let cursor = self.change(name)?;
        cursor.failures += 1;
        cursor.last_error = Some(error.to_owned());
        Ok(())
    }

    /// Counts what is not there any more before the oldest event, as dropped for those that it was
    /// not delivered to.
    pub(super) fn begin_at(&mut self, first: u64) {
        for cursor in self.sinks.values_mut() {
            let missing = first.saturating_sub(cursor.at + 1);
            if missing > 0 {
                cursor.dropped += missing;
                cursor.at += missing;
                cursor.changed = true;
            }
        }
    }

    /// What the database does not have; it counts as saved from now on.
    pub(super) fn take_changes(&mut self) -> Changes {
        let mut changes =
            Changes { removed: std::mem::take(&mut self.removed), ..Changes::default() };
        for (name, cursor) in &mut self.sinks {
            if std::mem::take(&mut cursor.changed) {
                changes.changed.push((name.clone(), cursor.clone()));
            }
        }
        changes
    }

    /// These could not be saved.
    pub(super) fn give_back(&mut self, changes: Changes) {
        for (name, _) in changes.changed {
            if let Some(cursor) = self.sinks.get_mut(&name) {
                cursor.changed = true;
            }
        }
        self.removed.extend(changes.removed);
        self.removed.retain(|name| !self.sinks.contains_key(name));
    }

    /// Every cursor is missing in the database.
    pub(super) fn all_changed(&mut self) {
        self.sinks.values_mut().for_each(|cursor| cursor.changed = true);
    }

    pub(super) fn dropped(&self) -> u64 {
        self.sinks.values().map(|cursor| cursor.dropped).sum()
    }

    pub(super) fn stats(&self, last: u64) -> Vec<SinkStats> {
        let one = |(name, cursor): (&String, &Cursor)| SinkStats {
            name: name.clone(),
            depth: last.saturating_sub(cursor.at),
            delivered: cursor.delivered,
            dropped: cursor.dropped,
            failures: cursor.failures,
            last_error: cursor.last_error.clone(),
        };
        self.sinks.iter().map(one).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_removed_is_dropped_once_and_only_for_those_who_lack_it() {
        let mut cursors = Cursors::default();
        cursors.register("slow", 0);
        cursors.register("fast", 0);
        cursors.acknowledge("slow", 4).unwrap();
        cursors.acknowledge("fast", 10).unwrap();
        cursors.begin_at(9);
        cursors.begin_at(9);
        let stats = cursors.stats(10);
        assert_eq!((stats[0].depth, stats[0].delivered, stats[0].dropped), (0, 10, 0));
        assert_eq!((stats[1].depth, stats[1].delivered, stats[1].dropped), (2, 4, 4));
    }

    #[test]
    fn an_acknowledgement_never_goes_back() {
        let mut cursors = Cursors::default();
        cursors.register("a", 3);
        cursors.acknowledge("a", 8).unwrap();
        cursors.acknowledge("a", 5).unwrap();
        assert_eq!((cursors.stats(8)[0].depth, cursors.stats(8)[0].delivered), (0, 5));
        cursors.give_up("a", 10).unwrap();
        let stats = &cursors.stats(12)[0];
        assert_eq!((stats.depth, stats.delivered, stats.dropped), (2, 6, 1));
    }

    #[test]
    fn changes_that_could_not_be_saved_come_again() {
        let mut cursors = Cursors::default();
        cursors.register("a", 1);
        cursors.register("b", 1);
        cursors.unregister("b");
        let changes = cursors.take_changes();
        assert_eq!((changes.changed.len(), changes.removed.len()), (1, 1));
        cursors.give_back(changes);
        cursors.register("b", 5);
        let changes = cursors.take_changes();
        assert_eq!((changes.changed.len(), changes.removed.len()), (2, 0));
        assert!(cursors.take_changes().changed.is_empty());
    }
}

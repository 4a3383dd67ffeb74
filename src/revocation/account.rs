//! The records of one user, and their effect.

use super::record::Event;

/// All records of one user: a set that only grows, until all of it is out of date.
///
/// The effect is a function of the set, so the order in which records arrive has no effect. An event can
/// cancel a window that an earlier one (by `seq`) announced, if it happened before that window began. The
/// time at which it *arrives* makes no difference; until then, the window counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Account {
    /// The latest `revoked_before` without an event, or 0.
    named: u64,
    /// Tokens issued until then are revoked, apart from windows.
    ended: u64,
    /// Ordered by `seq`.
    events: Vec<Event>,
    has_window: bool,
}

impl Account {
    /// Adds a time. Returns whether it changes anything.
    pub(super) fn name(&mut self, revoked_before: u64) -> bool {
        let is_news = revoked_before > self.named;
        self.named = self.named.max(revoked_before);
        self.ended = self.ended.max(revoked_before);
        is_news
    }

    /// Replaces the stored time if it is this one, because its replica's clock was ahead. Otherwise adds it.
    /// Returns whether it changes anything.
    #[cfg(feature = "redis")]
    pub(super) fn correct(&mut self, named: u64, revoked_before: u64) -> bool {
        if self.named != named {
            return self.name(revoked_before);
        }
        self.named = revoked_before;
        self.ended = self.ended_until();
        true
    }

    /// Adds an event. Returns whether it changes anything.
    pub(super) fn add(&mut self, event: Event) -> bool {
        match self.events.binary_search_by_key(&event.seq, |e| e.seq) {
            Ok(position) => {
                let Some(known) = self.events.get_mut(position) else {
                    return false;
                };
                let joined = known.join(event);
                if joined == *known {
                    return false;
                }
                *known = joined;
            }
            Err(position) => {
                // Most users have one event, so the default capacity of four is too much.
                self.events.reserve_exact(1);
                self.events.insert(position, event);
            }
        }
        self.ended = self.ended_until();
        self.has_window = self.events.iter().any(|event| event.window.is_some());
        true
    }

    fn ended_until(&self) -> u64 {
        let ends = self.events.iter().filter(|event| event.ends);
        ends.map(|event| event.at).fold(self.named, u64::max)
    }

    /// Tokens that were issued until this time are revoked at `now`. 0: none are.
    pub(super) fn revoked_before(&self, now: u64) -> u64 {
        if !self.has_window {
            return self.ended;
        }
        self.windows()
            .filter(|begin| *begin <= now)
            .fold(self.ended, u64::max)
    }

    /// The beginnings of the windows that were not cancelled in time.
    ///
    /// An account has one window at a time. The next event by `seq` says whether it still holds.
    fn windows(&self) -> impl Iterator<Item = u64> + '_ {
        let next = self.events.iter().skip(1).map(Some).chain([None]);
        self.events.iter().zip(next).filter_map(|(event, next)| {
            let begin = event.window?;
            // If the next event did not change the window, it names the window itself.
            next.is_none_or(|next| next.at >= begin).then_some(begin)
        })
    }

    /// The latest time in any record.
    pub(super) fn latest(&self) -> u64 {
        self.events
            .iter()
            .flat_map(|event| [event.at, event.window.unwrap_or(0)])
            .fold(self.named, u64::max)
    }

    /// Whether a window began after `since`, up to now.
    pub(super) fn began(&self, since: u64, now: u64) -> bool {
        self.has_window && self.windows().any(|begin| since < begin && begin <= now)
    }

    pub(super) fn named(&self) -> Option<u64> {
        (self.named > 0).then_some(self.named)
    }

    pub(super) fn events(&self) -> &[Event] {
        &self.events
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ended(seq: u64, at: u64) -> Event {
        Event {
            seq,
            at,
            ends: true,
            window: None,
        }
    }

    fn window(seq: u64, at: u64, begin: u64) -> Event {
        Event {
            seq,
            at,
            ends: false,
            window: Some(begin),
        }
    }

    fn back(seq: u64, at: u64) -> Event {
        Event {
            seq,
            at,
            ends: false,
            window: None,
        }
    }

    /// `revoked_before` at some times, in any order of the events.
    fn moments<const N: usize>(events: &[Event], times: [u64; N]) -> [u64; N] {
        let mut forward = Account::default();
        let mut backward = Account::default();
        for event in events {
            forward.add(*event);
        }
        for event in events.iter().rev() {
            backward.add(*event);
            assert!(!backward.clone().add(*event), "twice is once");
        }
        assert_eq!(forward, backward);
        times.map(|now| forward.revoked_before(now))
    }

    #[test]
    fn an_end_holds_from_its_moment_on_and_enabling_again_revives_nothing() {
        assert_eq!(moments(&[ended(1, 100)], [100, 500]), [100, 100]);
        assert_eq!(moments(&[ended(1, 100), back(2, 120)], [500]), [100]);
    }

    #[test]
    fn a_window_begins_at_its_time() {
        assert_eq!(
            moments(&[window(1, 100, 200)], [100, 199, 200, 300]),
            [0, 0, 200, 200]
        );
    }

    #[test]
    fn a_window_is_taken_back_by_a_later_event_before_it_begins() {
        let taken_back = [window(3, 100, 200), back(5, 199)];
        assert_eq!(moments(&taken_back, [199, 200, 300]), [0, 0, 0]);
        let too_late = [window(3, 100, 200), back(5, 200)];
        assert_eq!(moments(&too_late, [199, 200, 300]), [0, 200, 200]);
        let earlier_event = [window(3, 100, 200), back(2, 99)];
        assert_eq!(moments(&earlier_event, [200]), [200]);
    }

    #[test]
    fn a_window_is_replaced_by_another_one() {
        let moved = [window(1, 100, 200), window(2, 150, 400)];
        assert_eq!(moments(&moved, [200, 399, 400]), [0, 0, 400]);
        let after_it_began = [window(1, 100, 200), window(2, 250, 400)];
        assert_eq!(moments(&after_it_began, [200, 399, 400]), [200, 200, 400]);
        let said_again = [window(1, 100, 200), window(2, 150, 200)];
        assert_eq!(moments(&said_again, [199, 200]), [0, 200]);
    }

    #[test]
    fn an_end_after_a_window_counts_beside_it() {
        let both = [window(1, 100, 200), ended(2, 300)];
        assert_eq!(moments(&both, [250, 300]), [300, 300]);
        let instead = [window(1, 100, 200), ended(2, 150)];
        assert_eq!(moments(&instead, [150, 250]), [150, 150]);
    }

    #[test]
    fn of_two_arrivals_the_first_counts() {
        assert_eq!(moments(&[ended(1, 100), ended(1, 150)], [500]), [100]);
    }

    #[test]
    fn a_named_moment_only_grows() {
        let mut account = Account::default();
        assert!(account.name(100));
        assert!(!account.name(90));
        assert!(!account.name(100));
        assert!(account.add(ended(1, 50)));
        assert_eq!(account.revoked_before(0), 100);
        assert!(account.name(120));
        assert_eq!((account.revoked_before(0), account.latest()), (120, 120));
    }

    #[cfg(feature = "redis")]
    #[test]
    fn a_moment_is_corrected_if_it_is_still_the_named_one() {
        let mut account = Account::default();
        assert!(account.add(ended(1, 50)));
        assert!(account.name(3_700));
        assert!(account.correct(3_700, 100));
        assert_eq!(
            (account.revoked_before(0), account.named()),
            (100, Some(100))
        );
        // Another record, from a correct clock.
        assert!(account.name(200));
        assert!(!account.correct(3_700, 110));
        assert_eq!(account.named(), Some(200));
        assert!(account.correct(200, 20));
        assert_eq!((account.revoked_before(0), account.named()), (50, Some(20)));
    }
}

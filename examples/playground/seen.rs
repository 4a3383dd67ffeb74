//! The measured effect of a press on the requests that followed.

use std::fmt::Write;
use std::time::Duration;

use crate::marks::Mark;
use crate::people::Standing;
use crate::world::{Row, Who, World};

/// A button, the time of the press, and the state at that time.
pub(crate) struct Press {
    pub(crate) control: &'static str,
    pub(crate) at: u64,
    /// The affected person, if there is one.
    pub(crate) who: Option<Who>,
    pub(crate) webhook_at: Option<u64>,
    /// For each row: whether its requests passed, and should.
    passed: Vec<bool>,
    /// For each row: whether its requests should pass, and did not.
    failed: Vec<bool>,
}

impl Press {
    pub(crate) fn new(world: &World, control: &'static str, who: Option<Who>) -> Self {
        let last = world.marks.last_statuses(world.rows.len());
        let rows = || world.rows.iter().zip(&last);
        let passes = |status: u16| (200..300).contains(&status);
        let usual = |row| should_pass(world, row);
        Self {
            control,
            at: world.marks.now(),
            who,
            webhook_at: None,
            passed: rows()
                .map(|(row, status)| usual(row) && passes(*status))
                .collect(),
            failed: rows()
                .map(|(row, status)| usual(row) && !passes(*status))
                .collect(),
        }
    }
}

/// Whether a row's requests usually pass.
pub(crate) fn should_pass(world: &World, row: &Row) -> bool {
    match row.who {
        Who::Person(person) => {
            let person = &world.people[person];
            person.standing() == Standing::Active && person.passes(world.api(row).reads_tokens)
        }
        // The buttons do not change a real project.
        Who::Attackers | Who::You => false,
    }
}

/// The requests that were sent since a press.
pub(crate) struct Seen<'p> {
    world: &'p World,
    press: &'p Press,
    marks: Vec<Mark>,
    pub(crate) elapsed: Duration,
}

impl<'p> Seen<'p> {
    pub(crate) fn new(world: &'p World, press: &'p Press) -> Self {
        Self {
            world,
            press,
            marks: world.marks.sent_since(press.at),
            elapsed: Duration::from_millis(world.marks.now().saturating_sub(press.at)),
        }
    }

    /// The time since the press, in seconds.
    pub(crate) fn seconds(&self) -> f64 {
        self.elapsed.as_secs_f64()
    }

    fn of(&self, row: usize) -> impl DoubleEndedIterator<Item = &Mark> {
        self.marks.iter().filter(move |mark| mark.row == row)
    }

    fn after(&self, mark: &Mark) -> f64 {
        Duration::from_millis(mark.at - self.press.at).as_secs_f64()
    }

    /// The rows of the affected person.
    fn concerned(&self) -> impl Iterator<Item = usize> {
        let rows = self.world.rows.iter().enumerate();
        rows.filter(|(_, row)| Some(row.who) == self.press.who)
            .map(|(index, _)| index)
    }

    /// The APIs that refused the affected person, the delay of each, and the APIs that have not yet.
    pub(crate) fn went_out(&self) -> Turn {
        let rows = self.concerned().filter(|row| self.press.passed[*row]);
        self.turn(rows, |row| {
            let refused = self.of(row).rev().take_while(|mark| !mark.is_good());
            refused.filter(|mark| mark.is_refused()).last()
        })
    }

    /// The APIs that accepted the affected person, the delay of each, and the APIs that have not yet.
    pub(crate) fn came_in(&self) -> Turn {
        let rows = self
            .concerned()
            .filter(|row| should_pass(self.world, &self.world.rows[*row]));
        self.turn(rows, |row| self.of(row).find(|mark| mark.is_good()))
    }

    /// The rows that pass again, of those that should have passed before the press and did not.
    pub(crate) fn recovered(&self) -> Turn {
        let failed = self.press.failed.iter().enumerate();
        let rows = failed.filter(|(_, failed)| **failed).map(|(row, _)| row);
        self.turn(rows, |row| self.of(row).find(|mark| mark.is_good()))
    }

    pub(crate) fn world(&self) -> &'p World {
        self.world
    }

    /// The slowest row counts for its API.
    fn turn<'m>(
        &self,
        rows: impl Iterator<Item = usize>,
        find: impl Fn(usize) -> Option<&'m Mark>,
    ) -> Turn {
        let mut turn = Turn::default();
        for row in rows {
            let title = self.world.api(&self.world.rows[row]).title;
            let Some(mark) = find(row) else {
                turn.waiting.push(title);
                continue;
            };
            let after = self.after(mark);
            match turn.done.iter_mut().find(|(own, _)| *own == title) {
                Some((_, own)) => *own = own.max(after),
                None => turn.done.push((title, after)),
            }
        }
        turn.done.retain(|(title, _)| !turn.waiting.contains(title));
        turn.waiting.dedup();
        turn.done
            .sort_by(|(_, one), (_, other)| one.total_cmp(other));
        turn
    }

    /// The marks of other people's rows that passed before, and should still pass.
    fn bystanders(&self) -> impl Iterator<Item = &Mark> {
        self.marks.iter().filter(|mark| {
            let row = &self.world.rows[mark.row];
            self.press.passed[mark.row]
                && Some(row.who) != self.press.who
                && should_pass(self.world, row)
        })
    }

    /// The effect on other people.
    pub(crate) fn others(&self) -> String {
        let all = self.bystanders().count();
        let refused = self.bystanders().filter(|mark| mark.is_refused()).count();
        let failed = self
            .bystanders()
            .filter(|mark| !mark.is_good() && !mark.is_refused())
            .count();
        let else_ = if self.press.who.is_some() {
            " else"
        } else {
            ""
        };
        let mut text = match refused {
            0 => format!("nobody{else_} was refused ({all} requests)"),
            _ => format!("{refused} of {all} requests of others were refused"),
        };
        if failed > 0 {
            let _ = write!(text, ", {failed} were answered with 503 or not at all");
        }
        text
    }

    /// The number of requests to each API that passed, of those that should.
    pub(crate) fn passed(&self) -> String {
        let mut parts = Vec::new();
        for (index, api) in self.world.apis.iter().enumerate() {
            let own = || {
                self.bystanders()
                    .filter(|mark| self.world.rows[mark.row].api == index)
            };
            // In an API of two projects, the projects are counted separately.
            let is_others = |mark: &&Mark| self.world.is_of_globex(mark.row);
            let mut count = |name: String, marks: Vec<&Mark>| {
                if !marks.is_empty() {
                    let good = marks.iter().filter(|mark| mark.is_good()).count();
                    parts.push(format!("{name} {good} of {}", marks.len()));
                }
            };
            count(
                api.title.to_owned(),
                own().filter(|mark| !is_others(mark)).collect(),
            );
            count(
                format!("{} (globex)", api.title),
                own().filter(is_others).collect(),
            );
        }
        parts.join(", ")
    }

    /// The longest duration of a first request to an API that verifies tokens itself, in milliseconds.
    pub(crate) fn slowest_first(&self) -> f64 {
        let rows = self.world.rows.iter().enumerate();
        let rows = rows
            .filter(|(index, row)| self.press.passed[*index] && self.world.api(row).reads_tokens);
        // The first request can still have the previous token.
        rows.flat_map(|(index, _)| self.of(index).take(2))
            .map(|mark| mark.took)
            .fold(0.0, f64::max)
    }
}

/// The APIs that refused or accepted a person, after how many seconds, and those that have not yet.
#[derive(Default)]
pub(crate) struct Turn {
    pub(crate) done: Vec<(&'static str, f64)>,
    pub(crate) waiting: Vec<&'static str>,
}

impl Turn {
    /// `Resolver after 0.2 s, JWT alone after 12.0 s`
    pub(crate) fn list(&self) -> String {
        let parts = self
            .done
            .iter()
            .map(|(title, after)| format!("{title} after {after:.1} s"));
        parts.collect::<Vec<_>>().join(", ")
    }
}

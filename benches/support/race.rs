//! Contenders take turns in short rounds, so that a noisy machine is noisy for all of them.

use std::sync::Barrier;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use http::{Request, StatusCode};

use super::{call, expect, read, request};

/// How long a race is.
#[derive(Clone, Copy, Debug)]
pub struct Course {
    /// Rounds that count.
    pub rounds: usize,
    /// Calls of each contender in each round.
    pub calls: usize,
}

impl Course {
    /// Rounds before those that count.
    pub const WARM_UP: usize = 10;

    /// How many distinct tokens one contender sees.
    pub fn tokens(self) -> usize {
        (self.rounds + Self::WARM_UP) * self.calls
    }
}

pub struct Contender<'a> {
    pub name: &'static str,
    /// See [`Contender::cold`].
    is_cold: bool,
    /// Calls in one round.
    calls: usize,
    /// Runs one round's batch, and says how long the part that counts took.
    batch: Box<dyn FnMut(usize) -> Duration + 'a>,
}

impl<'a> Contender<'a> {
    /// A call takes memory that was last used thousands of calls ago, or never: it is in no near
    /// cache of the processor. All others are hot: they use the same memory in each call. A request
    /// is hot in both, since a server has just read it.
    pub fn cold(mut self) -> Self {
        self.is_cold = true;
        self
    }

    /// Calls `work` with the number of the call, which no two calls of the race share.
    pub fn of_work(name: &'static str, course: Course, work: impl Fn(usize) + 'a) -> Self {
        Self::timed(name, course, |n| n, work)
    }

    /// Shows the router what `token` makes for the number of the call. The requests are made before,
    /// and the answers are not read: it is the call alone that takes time.
    pub fn of_router<T: AsRef<str>>(
        name: &'static str,
        course: Course,
        router: Router,
        status: StatusCode,
        token: impl Fn(usize) -> T + 'a,
    ) -> Self {
        let send = move |request| expect(&router, request, status);
        Self::of_sender(name, course, send, token)
    }

    /// The same with `send` in the router's place.
    pub fn of_sender<T: AsRef<str>>(
        name: &'static str,
        course: Course,
        send: impl Fn(Request<Body>) + 'a,
        token: impl Fn(usize) -> T + 'a,
    ) -> Self {
        Self::timed(name, course, move |n| request(token(n).as_ref()), send)
    }

    /// As a server has it: each request is made, and its answer read to the end. A server takes
    /// longer for that, since it reads the request from a connection.
    pub fn of_server<T: AsRef<str> + 'a>(
        name: &'static str,
        course: Course,
        router: Router,
        status: StatusCode,
        token: impl Fn(usize) -> T + 'a,
    ) -> Self {
        let serve = move |token: T| read(call(&router, request(token.as_ref())), status);
        Self::timed(name, course, token, serve)
    }

    /// Calls `work` with what `prepare` makes for the number of the call, which takes no time of the
    /// contender's.
    fn timed<T>(
        name: &'static str,
        course: Course,
        prepare: impl Fn(usize) -> T + 'a,
        work: impl Fn(T) + 'a,
    ) -> Self {
        Self {
            name,
            is_cold: false,
            calls: course.calls,
            batch: Box::new(move |round| {
                let numbers = round * course.calls..(round + 1) * course.calls;
                let prepared: Vec<T> = numbers.map(&prepare).collect();
                let start = Instant::now();
                prepared.into_iter().for_each(&work);
                start.elapsed()
            }),
        }
    }
}

/// What one contender took for one call, in nanoseconds.
#[derive(Clone, Debug)]
pub struct Timing {
    pub name: String,
    pub is_cold: bool,
    pub median: f64,
    /// The quarter of the rounds that was fastest took at most this.
    pub lower_quartile: f64,
    pub upper_quartile: f64,
}

/// Lets the contenders take turns, each round in another order.
pub fn race(course: Course, contenders: &mut [Contender<'_>]) -> Vec<Timing> {
    let mut times = vec![Vec::with_capacity(course.rounds); contenders.len()];
    let count = contenders.len();
    for round in 0..course.rounds + Course::WARM_UP {
        for turn in 0..count {
            let index = (turn + round) % count;
            let time = (contenders[index].batch)(round);
            if round >= Course::WARM_UP {
                times[index].push(time.as_secs_f64() * 1e9 / contenders[index].calls as f64);
            }
        }
    }
    contenders
        .iter()
        .zip(&mut times)
        .map(|(contender, times)| Timing {
            name: contender.name.to_owned(),
            is_cold: contender.is_cold,
            median: quantile(times, 0.5),
            lower_quartile: quantile(times, 0.25),
            upper_quartile: quantile(times, 0.75),
        })
        .collect()
}

/// A router that several threads call at once.
pub struct Team<'a> {
    pub name: &'static str,
    /// The router and the request for the number of a call.
    pub job: Box<dyn Fn(usize) -> (Router, Request<Body>) + Sync + 'a>,
    /// Numbers of calls that were given out.
    used: usize,
}

impl<'a> Team<'a> {
    pub fn new(
        name: &'static str,
        job: impl Fn(usize) -> (Router, Request<Body>) + Sync + 'a,
    ) -> Self {
        Self {
            name,
            job: Box::new(job),
            used: 0,
        }
    }

    /// Calls in a second, of `threads` together.
    fn throughput(&mut self, threads: usize, calls: usize) -> f64 {
        let first = self.used;
        self.used += threads * calls;
        let barrier = Barrier::new(threads);
        let (job, barrier) = (&self.job, &barrier);
        std::thread::scope(|scope| {
            let workers: Vec<_> = (0..threads)
                .map(|thread| {
                    scope.spawn(move || {
                        let jobs: Vec<_> = (0..calls)
                            .map(|call| job(first + thread * calls + call))
                            .collect();
                        barrier.wait();
                        let start = Instant::now();
                        for (router, request) in jobs {
                            expect(&router, request, StatusCode::OK);
                        }
                        calls as f64 / start.elapsed().as_secs_f64()
                    })
                })
                .collect();
            workers
                .into_iter()
                .map(|worker| worker.join().unwrap())
                .sum()
        })
    }
}

/// How many times the calls of one thread two threads do, for each team.
#[derive(Clone, Debug)]
pub struct Scaling {
    pub name: String,
    /// By the medians.
    pub factor: f64,
    /// The same, as a share of the first team's.
    pub of_first: f64,
    /// That share by the fastest tenth of the rounds: what other programs disturbed least.
    pub of_first_undisturbed: f64,
}

pub fn scaling(rounds: usize, calls: &[usize], teams: &mut [Team<'_>]) -> Vec<Scaling> {
    let mut throughputs = vec![(Vec::new(), Vec::new()); teams.len()];
    for round in 0..=rounds {
        for ((team, (one, two)), calls) in teams.iter_mut().zip(&mut throughputs).zip(calls) {
            let throughput = (team.throughput(1, *calls), team.throughput(2, *calls));
            if round > 0 {
                one.push(throughput.0);
                two.push(throughput.1);
            }
        }
    }
    let mut factors = |share| -> Vec<f64> {
        throughputs
            .iter_mut()
            .map(|(one, two)| quantile(two, share) / quantile(one, share))
            .collect()
    };
    let (medians, best) = (factors(0.5), factors(0.9));
    teams
        .iter()
        .zip(medians.iter().zip(&best))
        .map(|(team, (median, undisturbed))| Scaling {
            name: team.name.to_owned(),
            factor: *median,
            of_first: median / medians[0],
            of_first_undisturbed: undisturbed / best[0],
        })
        .collect()
}

pub fn quantile(values: &mut [f64], share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    values[((values.len() - 1) as f64 * share).round() as usize]
}

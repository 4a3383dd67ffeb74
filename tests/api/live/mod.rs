//! Live sessions: the JWT is verified here, and the resolver confirms its session within a bound.

mod bound;
mod cookies;
mod neighbour;
mod outage;
mod session;

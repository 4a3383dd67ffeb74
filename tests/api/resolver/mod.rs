//! Forward authentication: whose a credential is, the resolver says.

mod asking;
mod cache;
mod connections;
mod cookies;
mod hostile_neighbour;
mod load;
mod neighbour;
mod outage;
mod property;
mod recorded;
mod setup;

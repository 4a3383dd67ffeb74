//! Forward authentication: whose a credential is, the resolver says.

mod asking;
mod cache;
mod cookies;
mod load;
mod outage;
mod property;
mod recorded;
mod setup;

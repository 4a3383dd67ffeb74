//! Forward authentication: whose a credential is, the resolver says.

mod asking;
mod cache;
mod load;
mod outage;
mod recorded;
mod setup;

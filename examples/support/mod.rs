//! What the servers among the examples share: the settings that they read from their environment, the
//! verifier that these ask for, the routes for an orchestrator, and the life of the process.

pub mod config;
pub mod health;
mod log;
pub mod project;
pub mod provider;
pub mod serve;
mod shutdown;
pub mod variable;
pub mod webhook;

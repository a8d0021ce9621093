//! SLIM routing appliance: thread-per-core on io_uring, zero-copy forwarding of MLS ciphertext.

pub mod admin;
pub mod boot;
pub mod cli;
pub mod config;
pub mod doctor;
pub mod io;
mod json;
pub mod log;
pub mod metrics;
pub mod program;
mod socket_file;
pub mod supervisor;

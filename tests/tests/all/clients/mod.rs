//! Programs that other people run: the README's examples, and the command line.

pub mod cli;
mod cli_config;
mod readme;

//! Running it for long: as a service, in several profiles, with backups, and with somebody who looks what is wrong.

pub mod backup;
mod doctor;
mod profiles;
mod service;

//! Whole imports. Everything that is written passes the configuration's own check.

mod judge;
mod listeners;
mod losses;
mod order;
mod property;
mod routes;
mod upstreams;

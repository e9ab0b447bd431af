//! Active health checks, end to end: endpoints die, hang and come back under load.

mod health {
    mod checks;
    mod kinds;
    mod lives;
    mod seen;
}

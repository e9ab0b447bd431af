//! Live turning by the admin API: endpoints register, drain and go; the overlay outlives reloads and restarts.

mod registration {
    mod api;
    mod heartbeats;
    mod overlay;
    mod refused;
    mod turning;
}

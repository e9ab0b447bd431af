//! The data path and what keeps it running: workers, listeners, pipeline, chain, reload, drain.

//! The process's limit of file descriptors: every connection needs one, and the usual soft limit of 1,024 is for programs that use `select`.

/// Raises the soft limit to the hard one, and logs both.
pub(crate) fn raise_limit() {
    match lockgate_sandbox::raise_descriptor_limit() {
        Ok((before, limit)) => tracing::info!(limit, before, "file descriptors: soft limit raised to the hard limit"),
        Err(error) => tracing::warn!(%error, "file descriptors: the soft limit cannot be raised to the hard limit"),
    }
}

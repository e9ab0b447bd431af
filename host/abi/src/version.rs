//! Which edition of the ABI a module speaks, told by an export that does nothing.

/// An edition of the proxy-wasm ABI.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum AbiVersion {
    /// Header callbacks without `end_of_stream`, and a few host calls of its own.
    V0_1_0,
    /// As 0.2.1 without `get_log_level` and foreign-function callbacks.
    V0_2_0,
    /// The current edition.
    V0_2_1,
}

impl AbiVersion {
    /// Every edition, newest first.
    pub const ALL: [Self; 3] = [Self::V0_2_1, Self::V0_2_0, Self::V0_1_0];

    /// The export by which a module says that it speaks this edition.
    #[must_use]
    pub const fn export(self) -> &'static str {
        match self {
            Self::V0_1_0 => "proxy_abi_version_0_1_0",
            Self::V0_2_0 => "proxy_abi_version_0_2_0",
            Self::V0_2_1 => "proxy_abi_version_0_2_1",
        }
    }

    /// `"0.2.1"` and the like.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::V0_1_0 => "0.1.0",
            Self::V0_2_0 => "0.2.0",
            Self::V0_2_1 => "0.2.1",
        }
    }
}

impl std::fmt::Display for AbiVersion {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

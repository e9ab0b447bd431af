//! The argument of `lockgate.kv`.
//!
//! The members are read flat, and then made the operation's own: a member that does not belong to the operation is refused, so that a
//! misspelt one is not ignored.

use std::borrow::Cow;

use serde::Deserialize;

/// One call.
#[derive(Deserialize)]
#[serde(try_from = "Members<'_>", bound(deserialize = "'de: 'a"))]
pub(super) struct Call<'a> {
    pub(super) shared: bool,
    pub(super) op: Op<'a>,
}

pub(super) enum Op<'a> {
    Get {
        key: Cow<'a, str>,
    },
    Set(Write<'a>),
    Add(Write<'a>),
    Cas {
        version: u32,
        write: Write<'a>,
    },
    Delete {
        key: Cow<'a, str>,
        version: Option<u32>,
    },
    List {
        prefix: Cow<'a, str>,
        after: Option<Cow<'a, str>>,
        limit: Option<usize>,
    },
    Watch {
        key: Cow<'a, str>,
        version: u32,
    },
    Unwatch {
        watch: u32,
    },
}

pub(super) struct Write<'a> {
    pub(super) key: Cow<'a, str>,
    pub(super) value: Option<Cow<'a, str>>,
    pub(super) base64: Option<Cow<'a, str>>,
    pub(super) ttl_ms: Option<u64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Members<'a> {
    op: OpName,
    #[serde(default)]
    shared: bool,
    #[serde(borrow, default)]
    key: Option<Text<'a>>,
    #[serde(borrow, default)]
    value: Option<Text<'a>>,
    #[serde(borrow, default)]
    base64: Option<Text<'a>>,
    ttl_ms: Option<u64>,
    version: Option<u32>,
    #[serde(borrow, default)]
    prefix: Option<Text<'a>>,
    #[serde(borrow, default)]
    after: Option<Text<'a>>,
    limit: Option<usize>,
    watch: Option<u32>,
}

/// Text that is borrowed where it has no escapes.
#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum OpName {
    Get,
    Set,
    Add,
    Cas,
    Delete,
    List,
    Watch,
    Unwatch,
}

impl<'a> TryFrom<Members<'a>> for Call<'a> {
    type Error = &'static str;

    fn try_from(mut members: Members<'a>) -> Result<Self, &'static str> {
        let op = members.op(members.op)?;
        if members.has_more() {
            return Err("a member does not belong to this operation");
        }
        Ok(Self {
            shared: members.shared,
            op,
        })
    }
}

impl<'a> Members<'a> {
    fn op(&mut self, name: OpName) -> Result<Op<'a>, &'static str> {
        Ok(match name {
            OpName::Get => Op::Get { key: self.key()? },
            OpName::Set => Op::Set(self.write()?),
            OpName::Add => Op::Add(self.write()?),
            OpName::Cas => Op::Cas {
                version: self.version()?,
                write: self.write()?,
            },
            OpName::Delete => Op::Delete {
                key: self.key()?,
                version: self.version.take(),
            },
            OpName::List => Op::List {
                prefix: self.prefix.take().map_or(Cow::Borrowed(""), |text| text.0),
                after: self.after.take().map(|text| text.0),
                limit: self.limit.take(),
            },
            OpName::Watch => Op::Watch {
                key: self.key()?,
                version: self.version()?,
            },
            OpName::Unwatch => Op::Unwatch {
                watch: self.watch.take().ok_or("\"watch\" is needed")?,
            },
        })
    }

    fn key(&mut self) -> Result<Cow<'a, str>, &'static str> {
        self.key.take().map(|text| text.0).ok_or("\"key\" is needed")
    }

    fn version(&mut self) -> Result<u32, &'static str> {
        self.version.take().ok_or("\"version\" is needed")
    }

    fn write(&mut self) -> Result<Write<'a>, &'static str> {
        Ok(Write {
            key: self.key()?,
            value: self.value.take().map(|text| text.0),
            base64: self.base64.take().map(|text| text.0),
            ttl_ms: self.ttl_ms.take(),
        })
    }

    /// Whether the operation has left members that were given.
    fn has_more(&self) -> bool {
        let texts = [&self.key, &self.value, &self.base64, &self.prefix, &self.after];
        texts.iter().any(|text| text.is_some())
            || self.ttl_ms.is_some()
            || self.version.is_some()
            || self.limit.is_some()
            || self.watch.is_some()
    }
}

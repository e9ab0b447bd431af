//! The cases: what each is for, what the two ends do, and so what the guest gets to see. What the guest does is its own matter,
//! by the case's name (`tests/guests/streams`).

/// What one end does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// The client sends this.
    Client(&'static str),
    /// The upstream sends this.
    Upstream(&'static str),
    /// The client sends nothing more, and listens.
    ClientEnds,
    /// The upstream sends nothing more, and listens.
    UpstreamEnds,
    /// The client breaks off.
    ClientResets,
    /// The upstream breaks off.
    UpstreamResets,
    /// Nothing, for so many milliseconds.
    Wait(u64),
}

impl Step {
    pub(super) fn is_the_upstreams(self) -> bool {
        matches!(self, Self::Upstream(_) | Self::UpstreamEnds | Self::UpstreamResets)
    }
}

/// One case.
pub(crate) struct Script {
    pub(crate) name: &'static str,
    pub(crate) what: &'static str,
    pub(crate) steps: &'static [Step],
}

impl Script {
    /// The configurations of its plugins.
    pub(super) fn plugins(&self) -> impl Iterator<Item = &'static str> + use<> {
        let two: &[&str] = match self.name {
            "two" => &["two_a", "two_b"],
            _ => &[],
        };
        let one = Some(self.name).filter(|_| two.is_empty());
        one.into_iter().chain(two.iter().copied())
    }

    pub(super) fn upstream_listens(&self) -> bool {
        self.name != "watch_refused"
    }
}

use Step::{Client, ClientEnds, ClientResets, Upstream, UpstreamEnds, UpstreamResets, Wait};

const ONCE_EACH_WAY: &[Step] = &[Client("hello"), Upstream("HELLO back"), ClientEnds, UpstreamEnds];
const UP: &[Step] = &[Upstream("hello"), Upstream("again"), UpstreamEnds, ClientEnds];
const TWICE: &[Step] = &[Client("one "), Client("two "), ClientEnds, UpstreamEnds];

const fn script(name: &'static str, what: &'static str, steps: &'static [Step]) -> Script {
    Script { name, what, steps }
}

pub(crate) const SCRIPTS: &[Script] = &[
    script("watch", "Callbacks, sizes and ends of a plain exchange.", ONCE_EACH_WAY),
    script(
        "watch_chunks",
        "Each chunk is a call.",
        &[
            Client("a"),
            Client("bc"),
            Upstream("def"),
            Client("g"),
            ClientEnds,
            UpstreamEnds,
        ],
    ),
    script(
        "watch_upstream_first",
        "The upstream speaks first.",
        &[Upstream("220 ready"), Client("hello"), ClientEnds, UpstreamEnds],
    ),
    script("watch_silent", "Nobody says anything.", &[ClientEnds, UpstreamEnds]),
    script(
        "watch_client_half",
        "The client is done first, and still listens.",
        &[
            Client("ask"),
            ClientEnds,
            Upstream("answer"),
            Upstream("more"),
            UpstreamEnds,
        ],
    ),
    script(
        "watch_upstream_half",
        "The upstream is done first, and still listens.",
        &[
            Upstream("notice"),
            UpstreamEnds,
            Client("late"),
            Client("later"),
            ClientEnds,
        ],
    ),
    script(
        "watch_client_reset",
        "The client breaks off.",
        &[Client("hello"), Upstream("answer"), ClientResets],
    ),
    script(
        "watch_upstream_reset",
        "The upstream breaks off.",
        &[Client("hello"), Upstream("answer"), UpstreamResets],
    ),
    script(
        "watch_refused",
        "Nobody listens at the upstream's address.",
        &[Client("hello"), Wait(100)],
    ),
    script("rewrite", "Bytes are rewritten in both directions.", ONCE_EACH_WAY),
    script(
        "rewrite_chunks",
        "The same, chunk by chunk.",
        &[
            Client("ab"),
            Client("cd"),
            Upstream("EF"),
            Upstream("GH"),
            Client("ij"),
            ClientEnds,
            UpstreamEnds,
        ],
    ),
    script("insert", "Bytes are put in front.", TWICE),
    script("append", "Bytes are put behind.", TWICE),
    script("append_beyond", "A start past the end is the end.", TWICE),
    script(
        "middle",
        "A range in the middle is replaced.",
        &[Client("hello"), ClientEnds, UpstreamEnds],
    ),
    script(
        "front",
        "A range at the front is replaced.",
        &[Client("hello"), ClientEnds, UpstreamEnds],
    ),
    script(
        "over_size",
        "A range past the end ends at the end.",
        &[Client("hello"), ClientEnds, UpstreamEnds],
    ),
    script("drop", "Everything is taken away.", TWICE),
    script("drop_first", "The first chunk is taken away.", TWICE),
    script(
        "grow",
        "A chunk becomes much longer.",
        &[Client("g"), ClientEnds, UpstreamEnds],
    ),
    script("insert_upstream", "Bytes of the upstream's get some in front.", UP),
    script("append_upstream", "And some behind.", UP),
    script("drop_upstream", "They are taken away.", UP),
    script(
        "grow_upstream",
        "They become many more.",
        &[Upstream("g"), UpstreamEnds, ClientEnds],
    ),
    script(
        "buffers",
        "Odd ranges, and buffers in callbacks that are not their own.",
        &[Client("hello"), Upstream("HELLO"), ClientEnds, UpstreamEnds],
    ),
    script(
        "lines",
        "Lines are held until they are whole.",
        &[
            Client("one"),
            Client(" more\ntw"),
            Client("o\n"),
            ClientEnds,
            UpstreamEnds,
        ],
    ),
    script(
        "lines_upstream",
        "The same for what the upstream sends.",
        &[
            Upstream("one"),
            Upstream(" more\ntw"),
            Upstream("o\n"),
            UpstreamEnds,
            ClientEnds,
        ],
    ),
    script("pause_once", "What was held goes on with the next chunk.", TWICE),
    script("pause_until_end", "Everything is held until the end.", TWICE),
    script("pause_and_write", "What was held had been changed.", TWICE),
    script("pause_and_empty", "What was held had been taken away.", TWICE),
    script(
        "tick_resume",
        "A tick lets go what is held.",
        &[Client("one "), Wait(100), Client("two "), ClientEnds, UpstreamEnds],
    ),
    script(
        "tick_resume_upstream",
        "The same for what the upstream sends.",
        &[Upstream("one "), Wait(100), Upstream("two "), UpstreamEnds, ClientEnds],
    ),
    script(
        "tick_reads",
        "A tick reads what is held.",
        &[Client("one "), Wait(100), Client("two "), ClientEnds, UpstreamEnds],
    ),
    script(
        "tick_writes",
        "A tick changes what is held, and lets it go.",
        &[Client("one "), Wait(100), Client("two "), ClientEnds, UpstreamEnds],
    ),
    script(
        "tick_close",
        "A tick closes the connection.",
        &[Client("one "), Wait(100)],
    ),
    script(
        "tick_close_upstream",
        "A tick closes the upstream's side.",
        &[Upstream("one "), Wait(100)],
    ),
    script(
        "tick_new_connection",
        "A tick lets a new connection go.",
        &[Wait(100), Client("one "), Upstream("two"), ClientEnds, UpstreamEnds],
    ),
    script(
        "call",
        "Bytes wait for the answer to a request of the plugin's own.",
        &[Client("one "), Wait(250), Client("two "), ClientEnds, UpstreamEnds],
    ),
    script(
        "call_writes",
        "The answer changes what is held, and lets it go.",
        &[Client("one "), Wait(250), Client("two "), ClientEnds, UpstreamEnds],
    ),
    script(
        "call_close",
        "The answer closes the connection.",
        &[Client("one "), Wait(250)],
    ),
    script(
        "call_new_connection",
        "A new connection waits for an answer.",
        &[Wait(250), Client("one "), Upstream("two"), ClientEnds, UpstreamEnds],
    ),
    script(
        "call_fails_new_connection",
        "Bytes come while a new connection waits for an answer.",
        &[Client("early "), Wait(250), Client("late "), ClientEnds, UpstreamEnds],
    ),
    script(
        "new_connection_pause",
        "A new connection is held, and the first bytes let it go.",
        &[Wait(50), Client("one "), Upstream("two"), ClientEnds, UpstreamEnds],
    ),
    script(
        "new_connection_close",
        "A new connection is closed.",
        &[Client("one "), Wait(50)],
    ),
    script(
        "close_downstream",
        "Bytes from the client close the connection.",
        &[Client("one "), Wait(50)],
    ),
    script(
        "close_and_pause",
        "The same, and they are held.",
        &[Client("one "), Wait(50)],
    ),
    script(
        "close_upstream",
        "Bytes from the upstream close its side.",
        &[Upstream("one "), Wait(50)],
    ),
    script(
        "close_downstream_late",
        "Bytes from the upstream close the client's side.",
        &[Upstream("one "), Wait(50)],
    ),
    script(
        "properties",
        "What can be asked about a connection, and when.",
        ONCE_EACH_WAY,
    ),
    script(
        "absent",
        "Header maps and streams of requests, which a connection has none of.",
        &[ClientEnds, UpstreamEnds],
    ),
    script(
        "set_property",
        "What a plugin sets it can read later.",
        &[Client("one "), ClientEnds, UpstreamEnds],
    ),
    script("state", "Shared data.", &[Client("one "), ClientEnds, UpstreamEnds]),
    script(
        "two",
        "Two plugins: one order on the way there, the other on the way back.",
        &[Client("there"), Upstream("back"), ClientEnds, UpstreamEnds],
    ),
];

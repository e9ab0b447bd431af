//! `poll_oneoff`, which never waits: a callback that waited would hold its worker, and every request there.
//!
//! A stream is ready, always. A clock's time is over or it is not. Where nothing is ready yet, each clock gets an event with the
//! error `NOTSUP`: a guest that wants to sleep learns that it has not slept, and none is told that time has passed which has not.

use wasmtime::Linker;

use super::{Errno, Preview, call, clocks, spend};
use crate::guest::{self, Caller, Span};
use crate::state::{StandardStream, State};

pub(super) const NAMES: &[&str] = &["poll_oneoff"];

/// More subscriptions in one call are refused.
const MAX_SUBSCRIPTIONS: i32 = 1024;
const EVENT_SIZE: usize = 32;

pub(super) fn link(linker: &mut Linker<State>, module: &str, preview: Preview) -> wasmtime::Result<()> {
    linker.func_wrap(
        module,
        "poll_oneoff",
        move |caller: Caller<'_>, subscriptions: i32, events: i32, count: i32, out: i32| {
            call(caller, "poll_oneoff", [subscriptions, events, count, out], |caller| {
                poll(caller, preview, subscriptions, events, count, out)
            })
        },
    )?;
    Ok(())
}

/// What came of a subscription.
struct Event {
    user_data: [u8; 8],
    error: Option<Errno>,
    kind: u8,
    /// How much can be read or written, at least.
    bytes: u8,
}

/// Where the fields of a clock's subscription lie.
struct Layout {
    size: usize,
    clock: usize,
    timeout: usize,
    flags: usize,
}

impl Layout {
    const fn of(preview: Preview) -> Self {
        // In preview 0, an identifier of the clock comes first.
        let (size, clock) = match preview {
            Preview::Zero => (56, 24),
            Preview::One => (48, 16),
        };
        Self {
            size,
            clock,
            timeout: clock + 8,
            flags: clock + 24,
        }
    }
}

fn poll(
    caller: &mut Caller<'_>,
    preview: Preview,
    subscriptions: i32,
    events: i32,
    count: i32,
    out: i32,
) -> Result<(), Errno> {
    let layout = Layout::of(preview);
    if !(0..=MAX_SUBSCRIPTIONS).contains(&count) {
        return Err(Errno::Invalid);
    }
    let length = |size: usize| i32::try_from(size).map_or(Err(Errno::Invalid), |size| Ok(size * count));
    let (memory, state) = guest::parts(caller)?;
    let wanted = guest::bytes(memory, Span::new(subscriptions, length(layout.size)?))?;
    spend(state, 4 * wanted.len())?;
    let (mut ready, mut waiting) = (Vec::new(), Vec::new());
    for subscription in wanted.chunks_exact(layout.size) {
        let event = look(state, &layout, subscription)?;
        if event.error.is_none() {
            &mut ready
        } else {
            &mut waiting
        }
        .push(event);
    }
    if ready.is_empty() && !waiting.is_empty() {
        // Rust's `thread::sleep` panics on it, with a message that names neither the cause nor the way out.
        state.warn(format_args!(
            "poll_oneoff cannot wait (`thread::sleep` or alike): nothing waits inside a callback; with the SDK, `sleep(d).await`"
        ));
    }
    let happened = if ready.is_empty() { waiting } else { ready };
    let target = guest::bytes_mut(memory, Span::new(events, length(EVENT_SIZE)?))?;
    for (event, target) in happened.iter().zip(target.chunks_exact_mut(EVENT_SIZE)) {
        write(event, target);
    }
    let happened = u32::try_from(happened.len()).map_err(|_| Errno::Invalid)?;
    Ok(guest::write_u32(memory, out, happened)?)
}

/// Whether what is subscribed to has happened. A subscription that cannot be understood is an error of the whole call.
fn look(state: &State, layout: &Layout, subscription: &[u8]) -> Result<Event, Errno> {
    const CLOCK: u8 = 0;
    const READ: u8 = 1;
    const WRITE: u8 = 2;
    let kind = subscription[8];
    let stream = || state.descriptors.get(u32_at(subscription, 16).cast_signed());
    let (error, bytes) = match kind {
        CLOCK if is_over(state, layout, subscription)? => (None, 0),
        CLOCK => (Some(Errno::NotSupported), 0),
        READ if stream() == Some(StandardStream::Input) => (None, 1),
        WRITE if matches!(stream(), Some(StandardStream::Output | StandardStream::Error)) => (None, 1),
        READ | WRITE => return Err(Errno::BadDescriptor),
        _ => return Err(Errno::Invalid),
    };
    let mut user_data = [0; 8];
    user_data.copy_from_slice(&subscription[..8]);
    Ok(Event {
        user_data,
        error,
        kind,
        bytes,
    })
}

/// Whether a clock's time is over: a time of the clock that has come, or a duration of nothing.
fn is_over(state: &State, layout: &Layout, subscription: &[u8]) -> Result<bool, Errno> {
    const ABSOLUTE: u16 = 1;
    let flags = u16::from_le_bytes([subscription[layout.flags], subscription[layout.flags + 1]]);
    if flags & !ABSOLUTE != 0 {
        return Err(Errno::Invalid);
    }
    let now = clocks::now(state, u32_at(subscription, layout.clock).cast_signed())?;
    let reached = if flags == ABSOLUTE { now } else { 0 };
    Ok(u64_at(subscription, layout.timeout) <= reached)
}

fn write(event: &Event, target: &mut [u8]) {
    target.fill(0);
    target[..8].copy_from_slice(&event.user_data);
    target[8] = event.error.map_or(0, |error| error as u8);
    target[10] = event.kind;
    target[16] = event.bytes;
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from(u32_at(bytes, at)) | u64::from(u32_at(bytes, at + 4)) << 32
}

//! Bodies: delivered to the plugin chunk by chunk, held, and forwarded.

use std::collections::{BTreeMap, VecDeque};

use super::Gateway;
use crate::abi::{Action, Buffer, Map};
use crate::guest::{Direction, Hooks};
use crate::host::memory::{self, Pairs};

impl<P: Hooks> Gateway<P> {
    /// Forwards what plugins have resumed.
    pub(super) fn forward_resumed(&self) -> bool {
        memory::with(|memory| {
            let mut has_progressed = false;
            for state in memory.contexts.values_mut() {
                for (direction, kind) in state
                    .directions
                    .iter_mut()
                    .zip([Buffer::RequestBody, Buffer::ResponseBody])
                {
                    if !std::mem::take(&mut direction.resumed) {
                        continue;
                    }
                    let whole = direction.ended && direction.headers_held;
                    (direction.headers_held, direction.body_held, has_progressed) = (false, false, true);
                    direction
                        .forwarded_bytes
                        .append(state.buffers.entry(kind as u32).or_default());
                    if direction.ended {
                        set_length(&mut state.maps, kind, direction.forwarded_bytes.len(), whole);
                    }
                }
            }
            has_progressed
        })
    }

    /// Delivers the next chunk of a body to the plugin.
    pub(super) fn deliver_body(&self) -> bool {
        let next = memory::with(|memory| {
            let busy: Vec<u32> = memory
                .callouts
                .iter()
                .filter(|call| !call.is_complete)
                .map(|call| call.context)
                .collect();
            for (id, state) in &mut memory.contexts {
                // While a plugin waits for a callout, it gets no body. In other hosts than Lockgate, it gets none while
                // it holds the headers.
                let delivers = state.properties.contains_key("lockgate.client.address") && !busy.contains(id);
                for (side, kind) in [
                    (Direction::Request, Buffer::RequestBody),
                    (Direction::Response, Buffer::ResponseBody),
                ] {
                    let direction = &mut state.directions[side as usize];
                    let stopped = state.is_deleted
                        || state.local_response.is_some()
                        || direction.ended
                        || direction.headers_held && !delivers;
                    if stopped || direction.incoming.is_empty() {
                        continue;
                    }
                    let chunk = direction.incoming.pop_front().unwrap_or_default();
                    direction.ended = direction.incoming.is_empty();
                    direction.received_bytes += chunk.len();
                    let buffer = state.buffers.entry(kind as u32).or_default();
                    buffer.extend_from_slice(&chunk);
                    let (size, ended) = (buffer.len(), direction.ended);
                    memory.effective = *id;
                    return Some((*id, side, kind, size, ended));
                }
            }
            None
        });
        let Some((id, side, kind, size, ended)) = next else {
            return false;
        };
        let action = match side {
            Direction::Response => self.guest.response_body(id, size, ended),
            _ => self.guest.request_body(id, size, ended),
        };
        memory::with(|memory| {
            let Some(state) = memory.contexts.get_mut(&id) else {
                return;
            };
            let direction = &mut state.directions[side as usize];
            if action == Action::Pause as u32 {
                direction.body_held = true;
                return;
            }
            let whole = direction.ended && direction.headers_held;
            if direction.body_held {
                (direction.headers_held, direction.body_held) = (false, false);
            }
            direction
                .forwarded_bytes
                .append(state.buffers.entry(kind as u32).or_default());
            if direction.ended {
                set_length(&mut state.maps, kind, direction.forwarded_bytes.len(), whole);
            }
        });
        true
    }
}

/// `content-length` of a message whose body has passed. As in Lockgate it has the new length if the `whole` body passed before
/// the headers were sent; else none if the length has changed.
fn set_length(maps: &mut BTreeMap<u32, Pairs>, kind: Buffer, length: usize, whole: bool) {
    let map = match kind {
        Buffer::ResponseBody => Map::ResponseHeaders,
        _ => Map::RequestHeaders,
    };
    let Some(headers) = maps.get_mut(&(map as u32)) else {
        return;
    };
    let Some(at) = headers.iter().position(|(name, _)| name == "content-length") else {
        return;
    };
    let length = length.to_string().into_bytes();
    if whole {
        headers[at].1 = length;
    } else if headers[at].1 != length {
        headers.remove(at);
    }
}

/// The chunks as a host delivers them: a last, empty chunk ends the stream.
pub(super) fn chunks_with_end(chunks: Vec<Vec<u8>>) -> VecDeque<Vec<u8>> {
    let mut chunks_with_end: VecDeque<_> = chunks.into();
    if !chunks_with_end.is_empty() {
        chunks_with_end.push_back(Vec::new());
    }
    chunks_with_end
}

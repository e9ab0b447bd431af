//! Bodies on their way through the plugin: shown piece by piece, held, let go.

use std::collections::VecDeque;

use super::Gateway;
use crate::abi::{Action, Buffer};
use crate::guest::{Hooks, Side};
use crate::host::memory;

impl<P: Hooks> Gateway<P> {
    /// What a plugin has let go goes on.
    pub(super) fn let_go(&self) -> bool {
        memory::with(|memory| {
            let mut went_on = false;
            for kept in memory.contexts.values_mut() {
                for (way, kind) in kept.ways.iter_mut().zip([Buffer::RequestBody, Buffer::ResponseBody]) {
                    if !std::mem::take(&mut way.resumed) {
                        continue;
                    }
                    (way.holds_head, way.holds_body, went_on) = (false, false, true);
                    way.passed.append(kept.buffers.entry(kind as u32).or_default());
                }
            }
            went_on
        })
    }

    /// Shows the next piece of a body to the plugin.
    pub(super) fn body_next(&self) -> bool {
        let next = memory::with(|memory| {
            let busy: Vec<u32> = memory
                .called
                .iter()
                .filter(|call| !call.answered)
                .map(|call| call.context)
                .collect();
            for (id, kept) in &mut memory.contexts {
                // A plugin that waits for a callout gets the body after it; and elsewhere than in Lockgate, no body
                // comes while the head is held.
                let keeps = kept.properties.contains_key("lockgate.client.address") && !busy.contains(id);
                for (side, kind) in [
                    (Side::Request, Buffer::RequestBody),
                    (Side::Response, Buffer::ResponseBody),
                ] {
                    let way = &mut kept.ways[side as usize];
                    let stopped = kept.gone || kept.sent.is_some() || way.ended || way.holds_head && !keeps;
                    if stopped || way.coming.is_empty() {
                        continue;
                    }
                    let piece = way.coming.pop_front().unwrap_or_default();
                    way.ended = way.coming.is_empty();
                    let buffer = kept.buffers.entry(kind as u32).or_default();
                    buffer.extend_from_slice(&piece);
                    let (size, ended) = (buffer.len(), way.ended);
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
            Side::Response => self.guest.response_body(id, size, ended),
            _ => self.guest.request_body(id, size, ended),
        };
        memory::with(|memory| {
            let Some(kept) = memory.contexts.get_mut(&id) else {
                return;
            };
            let way = &mut kept.ways[side as usize];
            if action == Action::Pause as u32 {
                way.holds_body = true;
                return;
            }
            if way.holds_body {
                (way.holds_head, way.holds_body) = (false, false);
            }
            way.passed.append(kept.buffers.entry(kind as u32).or_default());
        });
        true
    }
}

/// The pieces as a host shows them: the end comes apart.
pub(super) fn pieces(chunks: Vec<Vec<u8>>) -> VecDeque<Vec<u8>> {
    let mut pieces: VecDeque<_> = chunks.into();
    if !pieces.is_empty() {
        pieces.push_back(Vec::new());
    }
    pieces
}

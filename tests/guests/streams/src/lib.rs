//! TCP connections, written with the plain crate. What it does is named by its configuration; what it sees it writes to the log,
//! as `l4|CASE|WHAT`, so that two hosts can be compared line by line.

mod behaviour;
mod raw;

use behaviour::Connection;
use proxy_wasm::hostcalls;
use proxy_wasm::traits::{Context, RootContext, StreamContext};
use proxy_wasm::types::{ContextType, LogLevel};
use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

proxy_wasm::main! {{
    proxy_wasm::set_log_level(LogLevel::Trace);
    proxy_wasm::set_root_context(|id| Box::new(Root { id, case: String::new(), waiting: Rc::default() }));
}}

/// Connections that wait for a tick.
type Waiting = Rc<RefCell<Vec<u32>>>;

struct Root {
    id: u32,
    case: String,
    waiting: Waiting,
}

/// Writes what happened.
fn note(case: &str, what: &str) {
    hostcalls::log(LogLevel::Warn, &format!("l4|{case}|{what}")).ok();
}

impl Context for Root {}

impl RootContext for Root {
    fn on_configure(&mut self, _: usize) -> bool {
        let config = self.get_plugin_configuration().unwrap_or_default();
        self.case = String::from_utf8_lossy(&config).into_owned();
        if self.case.starts_with("tick") {
            self.set_tick_period(Duration::from_millis(20));
        }
        true
    }

    /// A connection that waits is served at the tick after the next: by then its client has said all that it says first.
    fn on_tick(&mut self) {
        for id in self.waiting.take() {
            let found = raw::set_effective_context(id);
            match self.case.as_str() {
                "tick_resume" | "tick_new_connection" => {
                    note(
                        &self.case,
                        &format!("tick {found} resume {}", raw::resume(raw::DOWNSTREAM)),
                    );
                }
                "tick_resume_upstream" => {
                    note(
                        &self.case,
                        &format!("tick {found} resume {}", raw::resume(raw::UPSTREAM)),
                    );
                }
                "tick_reads" => note(
                    &self.case,
                    &format!("tick {found} {}", raw::read(raw::DOWNSTREAM, 0, 100)),
                ),
                "tick_writes" => {
                    let set = raw::write(raw::DOWNSTREAM, 0, 100, b"from the tick\n");
                    note(
                        &self.case,
                        &format!("tick {found} set {set} resume {}", raw::resume(raw::DOWNSTREAM)),
                    );
                }
                "tick_close" => note(
                    &self.case,
                    &format!("tick {found} close {}", raw::close(raw::DOWNSTREAM)),
                ),
                "tick_close_upstream" => {
                    note(&self.case, &format!("tick {found} close {}", raw::close(raw::UPSTREAM)));
                }
                _ => {}
            }
            raw::set_effective_context(self.id);
        }
    }

    fn create_stream_context(&self, id: u32) -> Option<Box<dyn StreamContext>> {
        Some(Box::new(Connection::new(id, self.case.clone(), self.waiting.clone())))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::StreamContext)
    }
}

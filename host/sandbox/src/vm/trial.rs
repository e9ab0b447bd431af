//! The trial of a plugin: its start, once and aside, whose result becomes the image of all further VMs.

use std::rc::Rc;

use super::instance::{Instance, InstanceHandle, VmCounters, failure};
use crate::host::{Host, Recorder};
use crate::link::Start;
use crate::plugin::Plugin;
use crate::report::{Failure, FailureKind};
use crate::settings::Isolation;

/// How the VMs of a plugin start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StartMode<'a> {
    /// From the image that the trial has left: memory and globals, copied when they are written to. No guest code runs.
    Image,
    /// Each VM runs the guest's start, for this reason.
    Configured(&'a str),
}

impl StartMode<'_> {
    /// The value of the field `start`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Image => "image",
            Self::Configured(_) => "configured",
        }
    }
}

impl Plugin {
    /// Starts the plugin once, with the host of a trial. If its start can be copied, every VM begins from the result; otherwise
    /// each VM runs its own start. Blocks while the guest starts.
    ///
    /// # Errors
    /// The guest failed, or `vm_start` or `configure` returned false. The message has its last log lines.
    pub fn prepare(&self, host: &Rc<dyn Host>) -> Result<(), Failure> {
        let recorder = Recorder::new(Rc::clone(host));
        let counters = Rc::new(VmCounters::new(&self.settings().limits));
        let instance = InstanceHandle::new(Instance::start_recorded(self, &recorder, &counters)?);
        let start = match instance.image(&recorder) {
            Ok(image) => Start::Image(image),
            Err(reason) => {
                if self.settings().isolation == Isolation::Stream {
                    let pooled = self.prepared().pooled(&self.spec().module);
                    pooled.map_err(|error| failure(self, FailureKind::Start, error.to_string()))?;
                }
                Start::Configured(reason)
            }
        };
        self.prepared().set_start(start);
        Ok(())
    }

    /// How its VMs start. A plugin without a trial is configured in each VM.
    #[must_use]
    pub fn start_mode(&self) -> StartMode<'_> {
        match self.prepared().start() {
            Some(Start::Image(_)) => StartMode::Image,
            Some(Start::Configured(reason)) => StartMode::Configured(reason),
            None => StartMode::Configured("it had no trial"),
        }
    }
}

//! An instance that begins from its plugin's image, and the image of an instance that has started.

use std::rc::Rc;
use std::sync::Arc;

use super::spares::{Guest, Origin};
use super::start::{instantiation_failed, new_store, take_slot};
use super::{Instance, VmCounters};
use crate::host::{Callbacks, GuestIds, Host, QueueTarget, Recorder, TickTarget, Update};
use crate::image::{Image, MemoryImage, Number};
use crate::plugin::Plugin;
use crate::report::{Failure, Refusal};
use crate::state::State;

/// The host's number of a metric or a queue that the host has refused. There is none of this number.
const REFUSED: u32 = u32::MAX;

impl Instance {
    /// An instance whose guest is as it was when the image was taken. No guest code runs.
    ///
    /// # Errors
    /// There is no memory for it, or there are too many instances.
    pub(super) fn begin_from(
        image: &Image,
        plugin: &Plugin,
        host: &Rc<dyn Host>,
        counters: &Rc<VmCounters>,
    ) -> Result<Rc<Self>, Failure> {
        let guest = match counters.spares.take() {
            Some(guest) => guest,
            None => new_guest(image, plugin, host, counters)?,
        };
        let instance = Self::assemble(plugin, host, counters, guest);
        instance.repeat(image);
        Ok(instance)
    }

    /// Sets the state to what it was after the start, and repeats what the start asked of the host.
    fn repeat(self: &Rc<Self>, image: &Image) {
        let effects = &image.effects;
        let callbacks = || Rc::downgrade(self) as std::rc::Weak<dyn Callbacks>;
        let vm_id = &self.plugin.settings().vm_id;
        // A queue notifies the VM that was the last to register, so every VM registers.
        let register = |name: &String| self.host.register_queue(vm_id, name, QueueTarget::new(callbacks()));
        let (mut queues, mut subscriptions) = (Vec::new(), Vec::new());
        for registered in effects.queues.iter().map(register) {
            queues.push(registered.as_ref().map_or(REFUSED, |(queue, _)| *queue));
            subscriptions.extend(registered);
        }
        let queues_refused = queues.len() - subscriptions.len();
        let mut metrics_refused = 0;
        let ids = self.counters.ids.get_or_init(|| {
            let define = |(kind, name): &(_, String)| self.host.define_metric(&self.plugin, *kind, name);
            let metrics: Vec<_> = effects.metrics.iter().map(define).collect();
            metrics_refused = metrics.iter().filter(|defined| defined.is_err()).count();
            let metrics = metrics.into_iter().map(|id| id.unwrap_or(REFUSED));
            Rc::new(GuestIds::new(metrics.collect(), queues))
        });
        for (index, update) in &effects.updates {
            let metric = ids.host_metric(*index);
            // A metric that was refused does not count.
            let _ = match update {
                Update::Increment(offset) => self.host.increment_metric(metric, *offset),
                Update::Record(value) => self.host.record_metric(metric, *value),
            };
        }
        let ticks = effects
            .tick
            .map(|period| self.host.start_ticks(TickTarget::new(callbacks()), period));
        self.with_state(|state| {
            state.ticks = ticks;
            state.queues.extend(subscriptions);
            state.begin_from(&image.state, Rc::clone(ids), image.memory.len());
            if metrics_refused > 0 {
                state.warn(format_args!(
                    "{metrics_refused} metrics of the start refused: too many, or of another kind"
                ));
                (0..metrics_refused).for_each(|_| state.refuse(Refusal::Metric));
            }
            if queues_refused > 0 {
                state.warn(format_args!(
                    "{queues_refused} queues of the start refused: too many queues"
                ));
                (0..queues_refused).for_each(|_| state.refuse(Refusal::Queue));
            }
        });
    }

    /// The image of this instance, which has started under the recorder.
    ///
    /// # Errors
    /// Why there is none, for operators.
    pub(crate) fn image(&self, recorder: &Recorder) -> Result<Image, String> {
        let module = &self.plugin.spec().module;
        if let Some(obstacle) = module.image_exports().obstacle {
            return Err(obstacle.as_str().to_owned());
        }
        let mut effects = recorder.effects()?;
        let mut slot = self.store.borrow_mut();
        let store = slot.as_mut().ok_or("its VM has failed")?;
        let memory = self.exports.memory.ok_or("it has no memory")?;
        // The guest may have stopped its timer.
        effects.tick = effects.tick.filter(|_| store.data().ticks.is_some());
        let globals = self.origin.iter().flat_map(|origin| &origin.globals);
        let globals = globals
            .map(|global| Number::of(&global.get(&mut *store)))
            .collect::<Option<_>>();
        Ok(Image {
            memory: MemoryImage::new(memory.data(&*store))
                .map_err(|error| format!("its image cannot be kept: {error}"))?,
            globals: globals.ok_or("a global holds a reference")?,
            state: store.data().after_start(),
            effects,
        })
    }
}

/// A new guest with the image's memory and globals.
fn new_guest(image: &Image, plugin: &Plugin, host: &Rc<dyn Host>, counters: &Rc<VmCounters>) -> Result<Guest, Failure> {
    let prepared = plugin.prepared();
    let slot = take_slot(plugin, host, counters)?;
    let mut store = new_store(&prepared.code, plugin, host, counters);
    let mut begin = || {
        let guest = prepared.code.instance.instantiate(&mut store)?;
        let exports = prepared.code.exports.exports(&guest, &mut store);
        let memory = exports
            .memory
            .ok_or_else(|| wasmtime::Error::msg("the module has no memory"))?;
        let missing = image.memory.len().saturating_sub(memory.data_size(&store)) as u64 / memory.page_size(&store);
        if missing > 0 {
            memory.grow(&mut store, missing)?;
        }
        image.memory.map_over(memory.data_mut(&mut store))?;
        let globals = prepared.code.reserved.globals(&guest, &mut store);
        for (global, number) in globals.iter().zip(&image.globals) {
            number.write(global, &mut store)?;
        }
        Ok((exports, globals))
    };
    match begin() {
        Ok((exports, globals)) => Ok(Guest {
            store,
            exports,
            origin: slot.is_some().then_some(Origin { globals }),
            slot,
        }),
        Err(error) => Err(instantiation_failed(plugin, host, counters, &error, store.data())),
    }
}

impl Guest {
    /// Makes the guest of an instance that has ended equal to the image. `None` if that is not possible.
    pub(super) fn renew(mut self, image: &Image, plugin: &Plugin, host: &Rc<dyn Host>) -> Option<Self> {
        let memory = self.exports.memory?;
        // Memory that has grown cannot shrink.
        if memory.data_size(&self.store) != image.memory.len() {
            return None;
        }
        let account = Arc::clone(&self.store.data().account);
        let fresh = State::new(plugin.clone(), Rc::clone(host), plugin.prepared().permitted, account);
        let ended = std::mem::replace(self.store.data_mut(), fresh);
        self.store.data_mut().memory_limit.take_over(ended.memory_limit);
        image.memory.restore(memory.data_mut(&mut self.store)).ok()?;
        for (global, number) in self.origin.as_ref()?.globals.iter().zip(&image.globals) {
            number.write(global, &mut self.store).ok()?;
        }
        Some(self)
    }
}

//! The status of the live snapshot: every plugin with its VMs on all workers, every module file and why it is not used. Each call asks the
//! workers; nothing is kept up to date in between.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use lockgate_gateway::Snapshot;
use lockgate_gateway::worker::Command;
use lockgate_modules::files::{ModuleFile, Modules};
use lockgate_sandbox::{Module, StartMode, TrapReport, VmReport};
use lockgate_telemetry::metrics::{PhaseTimes, Registry};
use tokio::sync::{mpsc, oneshot};

use crate::handle::StatusSource;
use crate::report::{
    Bucket, CpuReport, HostCallsReport, ModuleReport, PhaseReport, PluginDetail, PluginReport, PluginTrap, PluginVm,
    PluginsReport,
};
use crate::route_report::RoutesReport;

/// Maximum time for a worker to report its VMs; a busier one is left out.
const REPORT_TIMEOUT: Duration = Duration::from_millis(500);

/// The live snapshot, and the workers that run it.
pub(crate) struct SnapshotStatus {
    snapshot: Arc<Snapshot>,
    modules: Vec<ModuleReport>,
    /// Why a plugin's module file is not used, in the snapshot's order.
    module_errors: Vec<Option<String>>,
    workers: Vec<mpsc::UnboundedSender<Command>>,
    last_reload_error: Option<String>,
    registry: Registry,
}

impl SnapshotStatus {
    /// The status of a snapshot. `last_reload_error` is why a later one was refused.
    pub(crate) fn new(
        snapshot: &Arc<Snapshot>,
        modules: &Modules,
        workers: Vec<mpsc::UnboundedSender<Command>>,
        last_reload_error: Option<String>,
        registry: Registry,
    ) -> Self {
        let module_error = |module: &str| modules.get(module).and_then(|file| file.error.clone());
        Self {
            module_errors: snapshot
                .plugins
                .iter()
                .map(|loaded| module_error(&loaded.plugin.spec().module_name))
                .collect(),
            modules: modules.iter().map(|(name, file)| module_report(name, file)).collect(),
            snapshot: snapshot.clone(),
            workers,
            last_reload_error,
            registry,
        }
    }

    /// Each worker's report of its VMs; `None` from one that does not reply in time.
    async fn ask(&self) -> Vec<Option<Vec<VmReport>>> {
        let mut asked = Vec::with_capacity(self.workers.len());
        for worker in &self.workers {
            let (reply, report) = oneshot::channel();
            let sent = worker.send(Command::Report {
                revision: self.snapshot.revision,
                reply,
            });
            asked.push(sent.is_ok().then_some(report));
        }
        let end = tokio::time::Instant::now() + REPORT_TIMEOUT;
        let mut reports = Vec::with_capacity(asked.len());
        for report in asked {
            reports.push(match report {
                Some(report) => tokio::time::timeout_at(end, report).await.ok().and_then(Result::ok),
                None => None,
            });
        }
        reports
    }

    fn plugin_report(&self, index: usize, reports: &[Option<Vec<VmReport>>]) -> PluginReport {
        let loaded = &self.snapshot.plugins[index];
        let spec = loaded.plugin.spec();
        let manifest = spec.module.manifest();
        let start = loaded.plugin.start_mode();
        let vms: Vec<PluginVm> = reports
            .iter()
            .enumerate()
            .filter_map(|(worker, vms)| Some(plugin_vm(worker, vms.as_ref()?.get(index)?)))
            .collect();
        let last_failure = vms.iter().find_map(|vm| vm.last_error.clone());
        let worst = ["quarantined", "backing_off", "starting"]
            .into_iter()
            .find(|state| vms.iter().any(|vm| vm.state == *state));
        PluginReport {
            name: spec.name.clone(),
            module: spec.module_name.clone(),
            sha256: spec.module.sha256().to_owned(),
            version: loaded.version.to_string(),
            module_version: manifest.and_then(|manifest| manifest.version.clone()),
            description: manifest.and_then(|manifest| manifest.description.clone()),
            state: worst.unwrap_or("running").to_owned(),
            start: start.as_str().to_owned(),
            start_reason: match start {
                StartMode::Image => None,
                StartMode::Configured(reason) => Some(reason.to_owned()),
            },
            vms,
            last_error: self.module_errors[index].clone().or(last_failure),
        }
    }

    async fn report(&self) -> PluginsReport {
        let reports = self.ask().await;
        let plugins = (0..self.snapshot.plugins.len()).map(|index| self.plugin_report(index, &reports));
        PluginsReport {
            revision: self.snapshot.revision,
            last_reload_error: self.last_reload_error.clone(),
            plugins: plugins.collect(),
            modules: self.modules.clone(),
        }
    }
}

impl SnapshotStatus {
    async fn detail(&self, name: &str) -> Option<PluginDetail> {
        let index = self
            .snapshot
            .plugins
            .iter()
            .position(|loaded| &**loaded.plugin.name() == name)?;
        let reports = self.ask().await;
        let vms = || {
            let numbered = reports.iter().enumerate();
            numbered.filter_map(|(worker, vms)| Some((worker, vms.as_ref()?.get(index)?)))
        };
        let mut last_traps: Vec<_> = vms()
            .flat_map(|(worker, vm)| vm.last_traps.iter().map(move |trap| plugin_trap(worker, trap)))
            .collect();
        last_traps.sort_by_key(|trap| std::cmp::Reverse(trap.time));
        let host_calls = vms().map(|(worker, vm)| HostCallsReport {
            worker,
            calls: vm.host_calls.calls,
            copied_bytes: vm.host_calls.copied_bytes,
        });
        let phases = self.registry.phases(name);
        let seconds: f64 = phases.iter().map(|phase| phase.sum.as_secs_f64()).sum();
        let totals = self.registry.plugin_totals(name);
        Some(PluginDetail {
            plugin: self.plugin_report(index, &reports),
            phases: phases.iter().map(phase_report).collect(),
            cpu: CpuReport {
                seconds,
                share_of_process: lockgate_sandbox::process_cpu_time()
                    .filter(|whole| !whole.is_zero())
                    .map_or(0.0, |whole| seconds / whole.as_secs_f64()),
            },
            host_calls: host_calls.collect(),
            refusals: totals.refusals,
            events: totals.events,
            failures: totals.failures,
            last_traps,
        })
    }

    /// The samples are taken on the workers; here they are only waited for.
    async fn sample(&self, name: &str, duration: Duration) -> Option<String> {
        let loaded = self
            .snapshot
            .plugins
            .iter()
            .find(|loaded| &**loaded.plugin.name() == name)?;
        let profiling = loaded.plugin.profile()?;
        tokio::time::sleep(duration).await;
        Some(profiling.folded())
    }
}

impl StatusSource for SnapshotStatus {
    fn routes(&self) -> RoutesReport {
        RoutesReport::new(self.snapshot.revision, &self.snapshot.model)
    }

    fn plugin<'a>(&'a self, name: &'a str) -> Pin<Box<dyn Future<Output = Option<PluginDetail>> + Send + 'a>> {
        Box::pin(self.detail(name))
    }

    fn profile<'a>(
        &'a self,
        name: &'a str,
        duration: Duration,
    ) -> Pin<Box<dyn Future<Output = Option<String>> + Send + 'a>> {
        Box::pin(self.sample(name, duration))
    }

    fn plugins(&self) -> Pin<Box<dyn Future<Output = PluginsReport> + Send + '_>> {
        Box::pin(self.report())
    }
}

fn module_report(name: &str, file: &ModuleFile) -> ModuleReport {
    let is_compiled = file.latest.is_some();
    let state = match (&file.error, file.removed) {
        (_, true) => "removed",
        (Some(_), false) => "refused",
        (None, false) if is_compiled => "ready",
        (None, false) => "waiting",
    };
    let module = file.latest.as_ref().or(file.last_good.as_ref());
    let module = module.map(|compiled| &compiled.module);
    let manifest = module.and_then(Module::manifest);
    ModuleReport {
        name: name.to_owned(),
        sha256: module.map(|module| module.sha256().to_owned()),
        version: manifest.and_then(|manifest| manifest.version.clone()),
        description: manifest.and_then(|manifest| manifest.description.clone()),
        state: state.to_owned(),
        error: file.error.clone(),
    }
}

fn plugin_vm(worker: usize, vm: &VmReport) -> PluginVm {
    PluginVm {
        worker,
        state: vm.state.as_str().to_owned(),
        age_seconds: vm.age.as_secs(),
        memory_bytes: vm.memory,
        streams: vm.streams,
        traps: vm.traps,
        last_error: vm.last_failure.clone(),
    }
}

fn plugin_trap(worker: usize, trap: &TrapReport) -> PluginTrap {
    let since = trap.time.duration_since(std::time::SystemTime::UNIX_EPOCH);
    PluginTrap {
        time: since.map_or(0, |since| since.as_secs()),
        worker,
        kind: trap.kind.as_str(),
        phase: trap.phase,
        message: trap.message.clone(),
        backtrace: trap.backtrace.clone(),
        last_host_call: trap.last_call,
        request_id: trap.request_id.clone(),
    }
}

fn phase_report(phase: &PhaseTimes) -> PhaseReport {
    PhaseReport {
        phase: phase.phase.as_str(),
        count: phase.buckets.iter().map(|(_, count)| count).sum(),
        seconds: phase.sum.as_secs_f64(),
        buckets: phase
            .buckets
            .iter()
            .map(|(bound, count)| Bucket {
                upper_bound_seconds: bound.map(|bound| bound.as_secs_f64()),
                count: *count,
            })
            .collect(),
    }
}

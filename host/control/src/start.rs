//! The two things that a command line wants of a gateway: to run it, and to check what running would refuse.

use std::fmt;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use lockgate_gateway::{SharedState, worker};
use lockgate_json::{Diagnostic, Report};
use lockgate_sandbox::{Engine, EngineSettings};
use lockgate_store::{Store, StoreSettings};
use lockgate_telemetry::access_log::AccessLog;
use lockgate_telemetry::call_trace::TraceRule;
use lockgate_telemetry::metrics::Registry;
use lockgate_telemetry::settings::{AccessLogPath, AccessLogSettings};
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::control::{Control, RunError, Signals};
use crate::handle::Handle;
use crate::load::Loader;

/// How to run.
#[derive(Clone, Debug)]
pub struct RunOptions {
    /// The configuration file.
    pub config: PathBuf,
    /// Where the access log goes, whatever the file says.
    pub access_log: Option<AccessLogPath>,
    /// Whose host calls are logged from the start.
    pub trace: Option<TraceRule>,
}

/// What a configuration that is in order holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckSummary {
    /// Listeners.
    pub listeners: usize,
    /// Routes.
    pub routes: usize,
    /// Upstreams.
    pub upstreams: usize,
    /// Plugins, each of which took its configuration in a VM.
    pub plugins: usize,
    /// What the operator should know though nothing is wrong: what modules ask for and are not granted.
    pub remarks: Vec<Diagnostic>,
}

impl fmt::Display for CheckSummary {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = |n: usize, one: &str| format!("{n} {one}{}", if n == 1 { "" } else { "s" });
        write!(
            out,
            "{}, {}, {}, {}",
            count(self.listeners, "listener"),
            count(self.routes, "route"),
            count(self.upstreams, "upstream"),
            count(self.plugins, "plugin")
        )
    }
}

/// Serves until SIGTERM or SIGINT, then drains. Blocks; takes the signals of the process. `serve_admin` serves the admin API on its
/// listener, until the receiver changes or loses its sender.
///
/// # Errors
/// Why it could not start. Once it serves, nothing but a signal ends it.
pub fn run<S, F>(options: RunOptions, serve_admin: S) -> Result<(), RunError>
where
    S: FnOnce(TcpListener, Handle, watch::Receiver<()>) -> F,
    F: Future<Output = ()> + Send + 'static,
{
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(RunError::system("the control thread cannot start"))?;
    runtime.block_on(serve(options, serve_admin))
}

/// Everything that [`run`] would refuse, every plugin configured in a real VM.
///
/// # Errors
/// All that is wrong, each at its place.
pub fn check(config: &Path) -> Result<CheckSummary, Report> {
    let engine = match engine() {
        Ok(engine) => engine,
        Err(error) => {
            let diagnostic = Diagnostic {
                file: config.to_owned(),
                line: 1,
                column: 1,
                pointer: String::new(),
                message: error.to_string(),
                expected: None,
                hint: None,
            };
            return Err(Report {
                diagnostics: vec![diagnostic],
            });
        }
    };
    let outcome = Loader::new(engine).load(config)?;
    let model = &outcome.snapshot.model;
    Ok(CheckSummary {
        listeners: model.listeners.len(),
        routes: model.routes.len(),
        upstreams: model.upstreams.len(),
        plugins: model.plugins.len(),
        remarks: outcome.remarks,
    })
}

async fn serve<S, F>(options: RunOptions, serve_admin: S) -> Result<(), RunError>
where
    S: FnOnce(TcpListener, Handle, watch::Receiver<()>) -> F,
    F: Future<Output = ()> + Send + 'static,
{
    let signals = Signals::new().map_err(RunError::system("signal handlers cannot be installed"))?;
    let mut loader = Loader::new(engine()?);
    let outcome = loader.load(&options.config).map_err(RunError::Config)?;
    let model = &outcome.snapshot.model;
    let registry = Registry::new();
    let asked = options.access_log.map(|path| AccessLogSettings { path });
    let access_log = access_log(asked.as_ref().or(model.access_log.as_ref()), &registry)?;
    let token = model.admin.as_ref().and_then(|admin| admin.token.clone());
    let handle = Handle::new(token, registry.clone(), access_log.clone());
    if let Some(rule) = options.trace {
        handle.trace().begin(rule);
    }
    let (end_admin, admin_ended) = watch::channel(());
    if let Some(admin) = &model.admin {
        let socket = TcpListener::bind(admin.listen)
            .await
            .map_err(|reason| RunError::Listen {
                listener: "admin".to_owned(),
                address: admin.listen,
                reason,
            })?;
        tracing::info!(address = %admin.listen, "admin API");
        tokio::spawn(serve_admin(socket, handle.clone(), admin_ended));
    }
    let store = Store::new(StoreSettings::from(&model.cache));
    let shared = SharedState::new(store, access_log, handle.trace().clone());
    let count = model
        .workers
        .or_else(|| std::thread::available_parallelism().ok())
        .map_or(1, NonZeroUsize::get);
    let workers = (0..count)
        .map(|index| worker::spawn(index, &registry, shared.clone()))
        .collect::<Result<Vec<_>, _>>()
        .map_err(RunError::system("worker failed to start"))?;
    let mut control = Control::new(options.config, loader, workers, registry, handle);
    control.start(outcome).await?;
    tracing::info!(workers = count, "ready");
    control.run(signals).await;
    drop(end_admin);
    tracing::info!("drained");
    Ok(())
}

/// The WebAssembly engine, with a compile cache if there is a place for one.
pub(crate) fn engine() -> Result<Engine, lockgate_sandbox::EngineError> {
    let Some(folder) = cache_folder() else {
        return Engine::new(EngineSettings { cache_dir: None });
    };
    Engine::new(EngineSettings {
        cache_dir: Some(folder),
    })
    .or_else(|error| {
        tracing::warn!("no compile cache, no compile cache, modules are compiled at every start: {error}");
        Engine::new(EngineSettings { cache_dir: None })
    })
}

/// `$LOCKGATE_CACHE_DIR`, else `lockgate` in the user's cache folder. An empty variable switches the cache off.
fn cache_folder() -> Option<PathBuf> {
    let variable = |name: &str| std::env::var_os(name).map(PathBuf::from);
    if let Some(folder) = variable("LOCKGATE_CACHE_DIR") {
        return Some(folder).filter(|folder| !folder.as_os_str().is_empty());
    }
    let caches = variable("XDG_CACHE_HOME").or_else(|| variable("HOME").map(|home| home.join(".cache")))?;
    caches.is_absolute().then(|| caches.join("lockgate"))
}

/// The access log, open, if one is wanted.
fn access_log(settings: Option<&AccessLogSettings>, registry: &Registry) -> Result<Option<Arc<AccessLog>>, RunError> {
    let Some(settings) = settings else {
        return Ok(None);
    };
    let log = AccessLog::open(settings, registry.access_log_dropped());
    let what = || match &settings.path {
        AccessLogPath::File(path) => format!("the access log cannot be written to {}", path.display()),
        AccessLogPath::Stdout | AccessLogPath::Stderr => "the access log cannot be written".to_owned(),
    };
    log.map(|log| Some(Arc::new(log)))
        .map_err(|error| RunError::system(what())(error))
}

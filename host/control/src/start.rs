//! The start of a gateway: loads the first snapshot, opens logs and listeners, spawns the workers, runs the control loop.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;

use lockgate_gateway::{SharedState, worker};
use lockgate_store::{Store, StoreSettings};
use lockgate_telemetry::access_log::AccessLog;
use lockgate_telemetry::call_trace::TraceRule;
use lockgate_telemetry::metrics::Registry;
use lockgate_telemetry::settings::{AccessLogPath, AccessLogSettings};
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::control::Control;
use crate::engine::engine;
use crate::error::RunError;
use crate::handle::Handle;
use crate::load::Loader;
use crate::log_lines;
use crate::signals::Signals;

/// Options of a run.
#[derive(Clone, Debug)]
pub struct RunOptions {
    /// The configuration file.
    pub config: PathBuf,
    /// The path of the access log, in place of the file's.
    pub access_log: Option<AccessLogPath>,
    /// A host call trace from the start.
    pub trace: Option<TraceRule>,
}

/// Runs the gateway until SIGTERM or SIGINT, then drains it. Blocks; handles the signals of the process. `serve_admin` serves the admin
/// API on its listener, until the receiver changes or loses its sender.
///
/// # Errors
/// Why it cannot start. Once it runs, only a signal ends it.
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

async fn serve<S, F>(options: RunOptions, serve_admin: S) -> Result<(), RunError>
where
    S: FnOnce(TcpListener, Handle, watch::Receiver<()>) -> F,
    F: Future<Output = ()> + Send + 'static,
{
    let signals = Signals::install().map_err(RunError::system("signal handlers cannot be installed"))?;
    let mut loader = Loader::new(engine()?);
    let first = loader.load(&options.config).map_err(RunError::Config)?;
    let model = &first.snapshot.model;
    let registry = Registry::new();
    let overridden = options.access_log.map(|path| AccessLogSettings { path });
    let access_log = access_log(overridden.as_ref().or(model.access_log.as_ref()), &registry)?;
    let token = model.admin.as_ref().and_then(|admin| admin.token.clone());
    let (handle, commands) = Handle::new(token, registry.clone(), access_log.clone());
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
        tracing::info!(address = %admin.listen, "admin API listening");
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
        .map_err(RunError::system("a worker thread cannot start"))?;
    let mut control = Control::new(options.config, loader, workers, registry, handle.clone());
    control.start(first).await?;
    tokio::spawn(signals.forward(handle));
    tracing::info!(workers = count, "{}", log_lines::READY);
    control.run(commands).await;
    drop(end_admin);
    tracing::info!("drained");
    Ok(())
}

/// Opens the access log, if there is one.
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

//! The start of a gateway: loads the first snapshot, opens logs and listeners, spawns the workers, runs the control loop.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use lockgate_foreign::store_settings;
use lockgate_gateway::{SharedState, worker};
use lockgate_resolver::Resolver;
use lockgate_store::Store;
use lockgate_telemetry::access_log::AccessLog;
use lockgate_telemetry::call_trace::TraceRule;
use lockgate_telemetry::metrics::Registry;
use lockgate_telemetry::settings::{AccessLogPath, AccessLogSettings};
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::control::{Control, EndpointSources, joined};
use crate::descriptors;
use crate::discovery::{self, FIRST_LISTS};
use crate::engine::engine;
use crate::error::RunError;
use crate::handle::Handle;
use crate::host_names::host_names;
use crate::load::{LoadedSnapshot, Loader};
use crate::signals::Signals;
use crate::upstreams::{self, Upstreams};

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
    let result = runtime.block_on(serve(options, serve_admin));
    // A load that still compiles, or waits for a file system, is left behind.
    runtime.shutdown_background();
    result
}

async fn serve<S, F>(options: RunOptions, serve_admin: S) -> Result<(), RunError>
where
    S: FnOnce(TcpListener, Handle, watch::Receiver<()>) -> F,
    F: Future<Output = ()> + Send + 'static,
{
    let mut signals = Signals::install().map_err(RunError::system("signal handlers cannot be installed"))?;
    descriptors::raise_limit();
    let registry = Registry::new();
    let RunOptions {
        config,
        access_log,
        trace,
    } = options;
    let mut loading = Some(tokio::task::spawn_blocking({
        let (config, registry) = (config.clone(), registry.clone());
        move || load(&config, access_log, &registry)
    }));
    let Started {
        loader,
        first,
        access_log,
        upstreams,
    } = tokio::select! {
        biased;
        () = signals.shut_down() => {
            tracing::info!("ended by a signal while the configuration was being loaded");
            return Ok(());
        }
        loaded = joined(&mut loading) => loaded?,
    };
    let model = &first.snapshot.model;
    let token = model.admin.as_ref().and_then(|admin| admin.token.clone());
    let (handle, commands) = Handle::over(upstreams, token, registry.clone(), access_log.clone());
    if let Some(rule) = trace {
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
    let store = Store::new(store_settings(&model.cache, &model.kv));
    let shared = SharedState::new(
        store,
        access_log,
        handle.trace().clone(),
        handle.plugin_starts().clone(),
    );
    let resolver = Resolver::start(&model.resolver).map_err(RunError::system("the resolver cannot start"))?;
    // The first request should not wait for the first lookup.
    resolver.pin(host_names(model));
    let shared = shared.with_resolver(Arc::new(resolver.clone()));
    let discovery = discovery::start(
        &config,
        model.state_dir.as_deref(),
        loader.groups().clone(),
        &resolver,
        &registry,
    )?;
    let observed = handle.upstreams().observe(&resolver, &discovery, &registry);
    observed.map_err(RunError::system("the health checks cannot start"))?;
    discovery.set(discovery::wanted(model));
    tokio::select! {
        biased;
        () = signals.shut_down() => {
            tracing::info!("ended by a signal while the first lists of endpoints were waited for");
            return Ok(());
        }
        () = discovery.decided(FIRST_LISTS) => {}
    }
    let count = model
        .workers
        .or_else(|| std::thread::available_parallelism().ok())
        .map_or(1, NonZeroUsize::get);
    let workers = (0..count)
        .map(|index| worker::spawn(index, &registry, shared.clone()))
        .collect::<Result<Vec<_>, _>>()
        .map_err(RunError::system("a worker thread cannot start"))?;
    tokio::spawn(signals.forward(handle.clone()));
    tokio::spawn(handle.upstreams().clone().run());
    upstreams::spawn(loader.groups().clone()).map_err(RunError::system("the upstreams' thread cannot start"))?;
    let control = Control::new(
        config,
        loader,
        first,
        workers,
        EndpointSources { resolver, discovery },
        registry,
        handle,
    );
    control.run(commands).await?;
    drop(end_admin);
    tracing::info!("drained");
    Ok(())
}

/// What the start has loaded.
struct Started {
    loader: Loader,
    first: LoadedSnapshot,
    access_log: Option<Arc<AccessLog>>,
    upstreams: Upstreams,
}

/// Loads the first snapshot and the overlay, and opens the access log. Blocks: it compiles, and the files may be on a file system that does not answer.
fn load(config: &Path, access_log: Option<AccessLogPath>, registry: &Registry) -> Result<Started, RunError> {
    let mut loader = Loader::new(engine()?);
    let first = loader.load(config).map_err(RunError::Config)?;
    let overridden = access_log.map(|path| AccessLogSettings { path });
    let settings = overridden.as_ref().or(first.snapshot.model.access_log.as_ref());
    let access_log = open_access_log(settings, registry)?;
    let upstreams = Upstreams::start(config, &first.snapshot.model, registry)
        .map_err(RunError::system("the upstreams' threads cannot start"))?;
    Ok(Started {
        loader,
        first,
        access_log,
        upstreams,
    })
}

/// Opens the access log, if there is one.
fn open_access_log(
    settings: Option<&AccessLogSettings>,
    registry: &Registry,
) -> Result<Option<Arc<AccessLog>>, RunError> {
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

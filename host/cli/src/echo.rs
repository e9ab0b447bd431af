//! `lockgate echo`: a demo upstream that responds with the request it received.
//!
//! For trying things out and for tests: one thread, HTTP/1.1 with keep-alive, no TLS, no limits.

mod body;
mod bytes;
mod options;
mod response;

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response, server};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tracing::{debug, info, warn};

use body::EchoBody;
use options::ResponseOptions;

use crate::arguments::EchoOptions;
use crate::command_status::CommandStatus;

/// Runs until SIGINT or SIGTERM.
pub(crate) fn echo(options: EchoOptions) -> Result<CommandStatus> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind(options.listen)
            .await
            .with_context(|| format!("cannot listen on {}", options.listen))?;
        info!("{} listens on http://{}", options.name, listener.local_addr()?);
        serve(listener, options.name.into(), stopped()?).await;
        Ok(CommandStatus::Success)
    })
}

/// Starts demo upstreams on a thread of their own, for the life of the process: for requests, and for any bytes.
pub(crate) fn spawn(addresses: &[SocketAddr], for_bytes: &[SocketAddr]) -> Result<()> {
    if addresses.is_empty() && for_bytes.is_empty() {
        return Ok(());
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let bind = |address: &SocketAddr| {
        let bound = runtime.block_on(TcpListener::bind(*address));
        bound.with_context(|| format!("cannot listen on {address}"))
    };
    for address in addresses {
        runtime.spawn(accept(bind(address)?, "echo".into()));
    }
    for address in for_bytes {
        runtime.spawn(bytes::accept(bind(address)?));
    }
    std::thread::spawn(move || runtime.block_on(std::future::pending::<()>()));
    Ok(())
}

/// Ends with the first SIGINT or SIGTERM.
fn stopped() -> Result<impl Future<Output = ()>> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}

/// Serves `listener` until `shutdown` ends. Open connections are dropped then.
async fn serve(listener: TcpListener, name: Arc<str>, shutdown: impl Future<Output = ()>) {
    tokio::select! {
        () = shutdown => {}
        () = accept(listener, name) => {}
    }
}

async fn accept(listener: TcpListener, name: Arc<str>) {
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                // Probably out of descriptors, until connections close.
                warn!("accept failed: {error}");
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        if let Err(error) = stream.set_nodelay(true) {
            debug!("TCP_NODELAY: {error}");
        }
        let name = Arc::clone(&name);
        let connection = server::conn::http1::Builder::new()
            .timer(TokioTimer::new())
            .serve_connection(
                TokioIo::new(stream),
                service_fn(move |request| respond(Arc::clone(&name), request)),
            );
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                debug!("connection: {error}");
            }
        });
    }
}

async fn respond(name: Arc<str>, request: Request<Incoming>) -> Result<Response<EchoBody>, Infallible> {
    let options = match ResponseOptions::parse(request.uri().query().unwrap_or_default()) {
        Ok(options) => options,
        Err(error) => return Ok(response::bad_request(&error)),
    };
    let (head, body) = request.into_parts();
    let received = match body::count(body).await {
        Ok(received) => received,
        Err(error) => return Ok(response::bad_request(&error)),
    };
    if !options.delay.is_zero() {
        tokio::time::sleep(options.delay).await;
    }
    Ok(response::response(&name, &head, received, &options))
}

#[cfg(test)]
mod tests;

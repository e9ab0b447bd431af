//! `lockgate echo`: a demo upstream that shows what reached it.
//!
//! It is for trying things out and for tests: one thread, HTTP/1.1 with keep-alive, no TLS, no limits worth the name.

mod answer;
mod body;
mod bytes;
mod wish;

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
use wish::Wish;

use crate::arguments::EchoOptions;
use crate::outcome::Outcome;

/// Serves until SIGINT or SIGTERM.
pub(crate) fn echo(options: EchoOptions) -> Result<Outcome> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind(options.listen)
            .await
            .with_context(|| format!("cannot listen on {}", options.listen))?;
        info!("{} listens on http://{}", options.name, listener.local_addr()?);
        serve(listener, options.name.into(), stopped()?).await;
        Ok(Outcome::Right)
    })
}

/// Serves as a demo upstream as long as the process runs, on a thread of its own: requests here, any bytes there.
pub(crate) fn beside(addresses: &[SocketAddr], for_bytes: &[SocketAddr]) -> Result<()> {
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

/// Ends with the first signal that asks the process to stop.
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

/// Answers on `listener` until `shutdown` ends; connections that are open then are dropped.
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
                // Out of descriptors, most likely: the ones in use will come back.
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
    let wish = match Wish::parse(request.uri().query().unwrap_or_default()) {
        Ok(wish) => wish,
        Err(error) => return Ok(answer::refusal(&error)),
    };
    let (head, body) = request.into_parts();
    let received = match body::count(body).await {
        Ok(received) => received,
        Err(error) => return Ok(answer::refusal(&error)),
    };
    if !wish.delay.is_zero() {
        tokio::time::sleep(wish.delay).await;
    }
    Ok(answer::answer(&name, &head, received, &wish))
}

#[cfg(test)]
mod tests;

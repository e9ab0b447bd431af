//! The demo upstream for connections: every byte comes back, and an end too.

use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tracing::{debug, warn};

/// Sends back whatever comes, on every connection.
pub(super) async fn accept(listener: TcpListener) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => drop(tokio::spawn(back(stream))),
            Err(error) => {
                // Probably out of descriptors, until connections close.
                warn!("accept failed: {error}");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

async fn back(mut stream: TcpStream) {
    let (mut from, mut to) = stream.split();
    let copied = tokio::io::copy(&mut from, &mut to).await;
    if let Err(error) = copied.and(to.shutdown().await) {
        debug!("connection: {error}");
    }
}

//! Waits for gRPC: for single calls, and for what streams tell.

use std::time::Duration;

use lockgate_sdk::prelude::*;
use lockgate_sdk::{Body, GrpcStream, Upstream, join, timeout};

/// One message there and one back, or none.
pub(crate) async fn calls(path: &str, request: &mut Request) -> Result<Flow> {
    match path {
        "/grpc" => {
            let call = Upstream::new("grpc")
                .grpc("test.Echo", "Unary")
                .metadata("x-c-asked", "yes");
            let answer = call.message("hello").timeout(Duration::from_secs(1)).await?;
            request.set_header("x-answer", answer)?;
        }
        "/grpc-fails" => match Upstream::new("grpc").grpc("test.Echo", "Fail").await {
            Err(Error::Grpc { status, .. }) => request.set_header("x-grpc-status", status.to_string())?,
            _ => return Ok(reply(500).into()),
        },
        "/grpc-late" => {
            let slow = Upstream::new("grpc").grpc("test.Echo", "Silent");
            let in_time = timeout(Duration::from_millis(30), slow).await?.is_some();
            request.set_header("x-in-time", in_time.to_string())?;
        }
        _ => {}
    }
    Ok(Flow::Continue)
}

/// Messages both ways.
pub(crate) async fn streams(path: &str, request: &mut Request, body: &mut Body) -> Result<Flow> {
    match path {
        "/grpc-stream" => {
            let echo = Upstream::new("grpc").grpc_stream("test.Echo", "Stream");
            let mut echo = echo.metadata("x-c-asked", "yes").open()?;
            let mut heard = Vec::new();
            for word in ["one", "two"] {
                echo.send(word.as_bytes())?;
                heard.extend(echo.recv().await?);
            }
            echo.send_last(b"three")?;
            while let Some(message) = echo.recv().await? {
                heard.push(message);
            }
            request.set_header("x-answer", heard.join(&b"+"[..]))?;
            request.set_header("x-initial", echo.metadata().first("x-c-initial").unwrap_or("none"))?;
            request.set_header("x-trailing", echo.trailers().first("x-c-trailing").unwrap_or("none"))?;
        }
        "/grpc-stream-fails" => {
            let mut late = Upstream::new("grpc").grpc_stream("test.Echo", "Late").open()?;
            late.close_send()?;
            let first = late.recv().await?.unwrap_or_default();
            match late.recv().await {
                // Behind the upstream's own words Envoy puts some of its own.
                Err(Error::Grpc { status, message }) if message.starts_with("after all") => {
                    let told = [&first[..], status.to_string().as_bytes()].join(&b' ');
                    request.set_header("x-answer", told)?;
                }
                _ => return Ok(reply(500).into()),
            }
        }
        "/grpc-streams" => {
            let (mut one, mut two) = (stream("Stream")?, stream("Stream")?);
            one.send_last(b"left")?;
            two.send_last(b"right")?;
            let (one, two) = join(one.recv(), two.recv()).await;
            let both = [one?, two?].into_iter().flatten().collect::<Vec<_>>();
            request.set_header("x-answer", both.join(&b"+"[..]))?;
        }
        "/grpc-stream-late" => {
            let mut silent = stream("Silent")?;
            let in_time = timeout(Duration::from_millis(30), silent.recv()).await?.is_some();
            request.set_header("x-in-time", in_time.to_string())?;
        }
        "/grpc-body" => {
            let mut echo = stream("Stream")?;
            while let Some(mut chunk) = body.next().await? {
                let bytes = chunk.bytes()?;
                if !bytes.is_empty() {
                    echo.send(&bytes.to_ascii_uppercase())?;
                    chunk.replace(&echo.recv().await?.unwrap_or_default())?;
                }
            }
        }
        _ => {}
    }
    Ok(Flow::Continue)
}

fn stream(method: &str) -> Result<GrpcStream> {
    Upstream::new("grpc").grpc_stream("test.Echo", method).open()
}

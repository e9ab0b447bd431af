//! Waits in every way that the SDK knows, as the path says, with the upstreams `app` and `side`.

mod grpc;

use std::time::Duration;

use grpc::{calls, streams};
use lockgate_sdk::prelude::*;
use lockgate_sdk::{Body, Upstream, join, sleep, timeout};

struct Waits {
    side: Upstream,
}

#[plugin]
impl Plugin for Waits {
    type State = u32;

    fn new(_: NoConfig) -> Result<Self, ConfigError> {
        Ok(Waits {
            side: Upstream::new("side"),
        })
    }

    async fn on_request(&self, request: &mut Request, body: &mut Body, steps: &mut u32) -> Result<Flow> {
        *steps += 1;
        let path = request.path()?;
        let flow = match path.as_str() {
            path if path.starts_with("/grpc-stream") || path == "/grpc-body" => streams(path, request, body).await?,
            path if path.starts_with("/grpc") => calls(path, request).await?,
            path => self.waited(path, request, body).await?,
        };
        if matches!(flow, Flow::Continue) {
            *steps += 1;
        }
        Ok(flow)
    }

    async fn on_response(&self, response: &mut Response, body: &mut Body, steps: &mut u32) -> Result<()> {
        response.set_header("x-steps", steps.to_string())?;
        if response.header("x-pieces")?.is_none() {
            return Ok(());
        }
        while let Some(mut chunk) = body.next().await? {
            let louder = chunk.bytes()?.to_ascii_uppercase();
            chunk.replace(&louder)?;
        }
        body.append(b"\nend")
    }
}

impl Waits {
    /// For time, for what the upstream `side` answers, and for the body.
    async fn waited(&self, path: &str, request: &mut Request, body: &mut Body) -> Result<Flow> {
        match path {
            "/sleep" => {
                join(sleep(Duration::from_millis(5)), sleep(Duration::from_millis(20)))
                    .await
                    .1?;
                request.set_header("x-slept", "yes")?;
            }
            "/patience" => {
                let slow = self.side.get("/slow").timeout(Duration::from_secs(2));
                let in_time = timeout(Duration::from_millis(30), slow).await?.is_some();
                request.set_header("x-in-time", in_time.to_string())?;
            }
            "/ask" => {
                let answer = self.side.post("/ask").text("really?").await?.successful()?;
                request.set_header("x-answer", answer.body())?;
            }
            "/whole" => {
                let text = body.collect(1000).await?;
                if text.starts_with(b"bad") {
                    return Ok(reply(422).text("bad").into());
                }
                body.replace(&[b"<", &text.to_ascii_uppercase()[..], b">"].concat())?;
            }
            "/ask-about-body" => {
                let text = body.collect(1000).await?;
                let answer = self.side.post("/ask").body("text/plain", text).await?.successful()?;
                body.replace(answer.body())?;
            }
            "/ask-before-body" => {
                self.side.get("/ask").await?.successful()?;
                let text = body.collect(1000).await?;
                body.replace(&[&text[..], b" seen"].concat())?;
            }
            "/ask-in-pieces" => {
                while let Some(mut chunk) = body.next().await? {
                    self.side.get("/ask").await?.successful()?;
                    let louder = chunk.bytes()?.to_ascii_uppercase();
                    chunk.replace(&louder)?;
                }
            }
            _ => {}
        }
        Ok(Flow::Continue)
    }
}

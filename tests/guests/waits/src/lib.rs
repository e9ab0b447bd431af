//! Waits in every way that the SDK knows, as the path says, with the upstreams `app` and `side`.

use std::time::Duration;

use lockgate_sdk::prelude::*;
use lockgate_sdk::{Body, GrpcStream, Upstream, join, sleep, timeout};

struct Waits {
    side: Upstream,
}

fn stream(method: &str) -> Result<GrpcStream> {
    Upstream::new("grpc").grpc_stream("test.Echo", method).open()
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
        match request.path()?.as_str() {
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
        *steps += 1;
        Ok(Flow::Continue)
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

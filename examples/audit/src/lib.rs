//! Sends a record of every request to an audit service, in batches. Records survive reloads and the end of the gateway.

use std::time::UNIX_EPOCH;

use lockgate_sdk::prelude::*;
use serde::Serialize;

#[derive(Config)]
struct Settings {
    /// The upstream that takes records, as a JSON list.
    sink: Upstream,
    /// Maximum number of records in a batch.
    #[config(default = 100, min = 1, max = 1000)]
    batch: usize,
    /// Maximum time that a record waits.
    #[config(default = "5s", min = "100ms", max = "1m")]
    every: Duration,
}

#[derive(Serialize)]
struct Record {
    time: u64,
    id: String,
    consumer: Option<String>,
    method: String,
    path: String,
    status: i64,
}

struct Audit {
    records: Batcher<Record>,
}

#[plugin]
impl Plugin for Audit {
    type Config = Settings;

    fn new(settings: Settings) -> Result<Self, ConfigError> {
        let sink = settings.sink;
        let send = async move |records: &[Record]| {
            sink.post("/records").json(records).await?.successful()?;
            Ok(())
        };
        let records = Batcher::new(settings.batch, settings.every, send);
        Ok(Audit { records })
    }

    fn on_log(&self, request: &Request) -> Result<()> {
        let time = property::REQUEST_TIME.value()?.unwrap_or(UNIX_EPOCH);
        self.records.push(Record {
            time: time.duration_since(UNIX_EPOCH)?.as_secs(),
            id: property::REQUEST_ID.value()?.unwrap_or_default(),
            consumer: request.consumer()?,
            method: request.method()?,
            path: request.path()?,
            status: property::RESPONSE_CODE.value()?.unwrap_or(0),
        })
    }

    async fn on_done(&self) -> Result<()> {
        self.records.flush().await
    }
}

#[cfg(test)]
mod tests;

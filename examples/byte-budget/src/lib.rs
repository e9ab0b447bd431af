//! Gives each consumer a budget of bytes per day, requests and responses together. All workers count into one number.

use std::time::UNIX_EPOCH;

use lockgate_sdk::config::Size;
use lockgate_sdk::metrics::{Counter, Family};
use lockgate_sdk::{now, prelude::*};

#[derive(Config)]
struct Settings {
    /// Bytes of a consumer in a day (UTC).
    #[config(default = "1GiB", min = "1B")]
    budget: Size,
}

struct ByteBudget {
    budget: u64,
    bytes: Family<Counter>,
    refused: Family<Counter>,
}

const DAY: u64 = 86_400;

#[plugin(capabilities(foreign_functions = ["lockgate.kv"]))]
impl Plugin for ByteBudget {
    type Config = Settings;
    /// Who is charged. A request that was refused is not.
    type State = Option<String>;

    fn new(settings: Settings) -> Result<Self, ConfigError> {
        Ok(ByteBudget {
            budget: settings.budget.bytes(),
            bytes: Family::new("budget_bytes"),
            refused: Family::new("budget_refused"),
        })
    }

    fn on_request(&self, request: &mut Request, charged: &mut Option<String>) -> Result<()> {
        let consumer = request.consumer()?.unwrap_or_else(|| "anonymous".to_owned());
        let (key, rest) = today(&consumer)?;
        if Kv::own().number(&key)? >= self.budget {
            self.refused.of(&[("consumer", &consumer)])?.increase(1)?;
            let reply = reply(429).problem("budget_exceeded", "The budget of today is used up.");
            return Err(reply.header("retry-after", rest.as_secs().to_string()).into());
        }
        *charged = Some(consumer);
        Ok(())
    }

    fn on_log(&self, charged: &mut Option<String>) -> Result<()> {
        let Some(consumer) = charged.take() else {
            return Ok(());
        };
        let sizes = [property::REQUEST_SIZE.value()?, property::RESPONSE_SIZE.value()?];
        let size = sizes.into_iter().flatten().map(i64::unsigned_abs).sum();
        let (key, rest) = today(&consumer)?;
        Kv::own().increase(&key, size, Some(rest))?;
        self.bytes.of(&[("consumer", &consumer)])?.increase_by(size)
    }
}

/// The key of a consumer's day, and the time until it ends.
fn today(consumer: &str) -> Result<(String, Duration)> {
    let seconds = now()?.duration_since(UNIX_EPOCH)?.as_secs();
    let rest = Duration::from_secs(DAY - seconds % DAY);
    Ok((format!("{}/{consumer}", seconds / DAY), rest))
}

#[cfg(test)]
mod tests;

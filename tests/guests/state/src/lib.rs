//! State that workers share, by the path of the request: `/kv/KEY` and `/data/KEY` count the key, in `lockgate.kv` and in shared data;
//! `/cache/KEY` waits for the upstream `service`; `/fill/KEY?size=N` writes a value; `/note/TEXT` is a record for the upstream `audit`.

use lockgate_sdk::prelude::*;
use lockgate_sdk::shared;

struct State {
    service: Upstream,
    answers: Cache<String, String>,
    records: Batcher<String>,
}

#[plugin]
impl Plugin for State {
    fn new(_: NoConfig) -> Result<Self, ConfigError> {
        let audit = Upstream::new("audit");
        let send = async move |records: &[String]| {
            audit.post("/").text(records.join("\n")).await?.successful()?;
            Ok(())
        };
        Ok(State {
            service: Upstream::new("service"),
            answers: Cache::new("answers"),
            records: Batcher::new(1000, Duration::from_secs(60), send),
        })
    }

    async fn on_request(&self, request: &mut Request) -> Result<Flow> {
        let path = request.path()?;
        let (_, rest) = path.split_once('/').unwrap_or_default();
        let (what, key) = rest.split_once('/').unwrap_or_default();
        let answer = match what {
            "kv" => Kv::own().update(key, None, one_more)?,
            "data" => shared::update(key, one_more)?,
            "fill" => {
                let size = request.query_as::<usize>("size")?.unwrap_or_default();
                Kv::own().set(key, vec![b'x'; size], None)?;
                Vec::new()
            }
            "filldata" => {
                shared::set(key, &vec![b'x'; request.query_as::<usize>("size")?.unwrap_or_default()])?;
                Vec::new()
            }
            "cache" => {
                let fetch = async || {
                    let answer = self
                        .service
                        .get("/")
                        .timeout(Duration::from_secs(1))
                        .await?
                        .successful()?;
                    Ok((answer.text()?.to_owned(), Duration::from_secs(60)))
                };
                self.answers.get(key, fetch).await?.into_bytes()
            }
            "note" => {
                self.records.push(key.to_owned())?;
                Vec::new()
            }
            _ => return Ok(Flow::Continue),
        };
        Ok(reply(200).text(String::from_utf8_lossy(&answer)).into())
    }

    async fn on_done(&self) -> Result<()> {
        self.records.flush().await
    }
}

fn one_more(count: Option<&[u8]>) -> Vec<u8> {
    let count = count.and_then(|text| std::str::from_utf8(text).ok()?.parse::<u64>().ok());
    (count.unwrap_or(0) + 1).to_string().into_bytes()
}

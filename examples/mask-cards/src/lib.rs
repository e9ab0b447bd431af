//! Masks card numbers in JSON responses, all digits but the last four. A body of at most 1 MiB is masked as a whole, and keeps its length; a
//! larger one is masked in stream.

use lockgate_sdk::prelude::*;

mod mask;

use mask::Mask;

/// The largest body that is masked as a whole.
const WHOLE: usize = 1024 * 1024;

struct MaskCards;

#[plugin]
impl Plugin for MaskCards {
    fn new(_: NoConfig) -> Result<Self, ConfigError> {
        Ok(MaskCards)
    }

    async fn on_response(&self, response: &mut Response, body: &mut Body) -> Result<()> {
        let kind = response.header("content-type")?.unwrap_or_default();
        let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        if kind != "application/json" && !kind.ends_with("+json") {
            return Ok(());
        }
        let mut mask = Mask::default();
        let length = response.header_as::<usize>("content-length")?;
        if length.is_some_and(|length| length <= WHOLE) {
            let bytes = body.collect(WHOLE).await?;
            let mut masked = mask.next(&bytes);
            masked.extend(mask.end());
            return body.replace(&masked);
        }
        while let Some(mut chunk) = body.next().await? {
            let masked = mask.next(&chunk.bytes()?);
            chunk.replace(&masked)?;
        }
        body.append(&mask.end())
    }
}

#[cfg(test)]
mod tests;

//! Rewrites lines of a TCP connection: it renames a command from the client, and hides a secret from the upstream.

use lockgate_sdk::prelude::*;
use lockgate_sdk::{Chunk, TcpPlugin};

#[derive(Config)]
struct Rewrite {
    /// The replacement in lines from the client.
    from_client: Replacement,
    /// The replacement in lines from the upstream.
    from_upstream: Replacement,
}

#[derive(Config)]
struct Replacement {
    /// The text to find.
    #[config(min_length = 1)]
    find: String,
    /// The text to put in its place.
    put: String,
}

#[plugin]
impl TcpPlugin for Rewrite {
    type Config = Rewrite;

    fn new(config: Rewrite) -> Result<Self, ConfigError> {
        Ok(config)
    }

    fn on_downstream_data(&self, chunk: &mut Chunk) -> Result<Flow> {
        self.from_client.apply(chunk)
    }

    fn on_upstream_data(&self, chunk: &mut Chunk) -> Result<Flow> {
        self.from_upstream.apply(chunk)
    }
}

impl Replacement {
    /// Rewrites whole lines, and waits for their end, as the text may arrive in two chunks.
    fn apply(&self, chunk: &mut Chunk) -> Result<Flow> {
        let bytes = chunk.bytes()?;
        if !bytes.ends_with(b"\n") && !chunk.is_last() {
            return Ok(Flow::Pause);
        }
        if let Some(changed) = self.rewritten(&bytes) {
            chunk.replace(&changed)?;
        }
        Ok(Flow::Continue)
    }

    /// The bytes with every occurrence replaced; `None` if there is none.
    fn rewritten(&self, bytes: &[u8]) -> Option<Vec<u8>> {
        let find = self.find.as_bytes();
        let mut out = Vec::with_capacity(bytes.len());
        let mut rest = bytes;
        while let Some(at) = rest.windows(find.len()).position(|window| window == find) {
            out.extend_from_slice(&rest[..at]);
            out.extend_from_slice(self.put.as_bytes());
            rest = &rest[at + find.len()..];
        }
        if rest.len() == bytes.len() {
            return None;
        }
        out.extend_from_slice(rest);
        Some(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lockgate_sdk::testing::Gateway;

    const CONFIG: &str = r#"{
        "from_client": { "find": "QUIT", "put": "BYE" },
        "from_upstream": { "find": "secret", "put": "***" }
    }"#;

    #[test]
    fn both_directions_are_rewritten() {
        let gateway = Gateway::<Rewrite>::configured(CONFIG).expect("a good configuration");
        let connection = gateway.connect();
        connection.from_client("HELLO\nQUIT\n");
        connection.from_upstream("the secret is secret\n");
        assert_eq!(connection.to_upstream(), "HELLO\nBYE\n");
        assert_eq!(connection.to_client(), "the *** is ***\n");
    }

    #[test]
    fn a_word_in_two_chunks_is_found_and_the_last_line_may_be_unterminated() {
        let gateway = Gateway::<Rewrite>::configured(CONFIG).expect("a good configuration");
        let connection = gateway.connect();
        connection.from_client("QU");
        assert_eq!(connection.to_upstream(), "");
        connection.from_client("IT\nand QUIT");
        assert_eq!(connection.to_upstream(), "");
        connection.close_by_client();
        assert_eq!(connection.to_upstream(), "BYE\nand BYE");
    }

    #[test]
    fn an_empty_search_text_is_refused() {
        let config = CONFIG.replace("QUIT", "");
        assert!(Gateway::<Rewrite>::configured(&config).is_err());
    }
}

//! The close of a connection on which bytes are left unwritten or unread.
//!
//! A socket that is closed with unread bytes in it is reset, and a reset can take the response away from the client; so the
//! sending side is closed first, and what still comes is read and thrown away, for a while (RFC 9112, section 9.6).

use std::io;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use lockgate_exchange::ResponseHead;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// How long a close may take.
const TIMEOUT: Duration = Duration::from_secs(2);
/// Maximum bytes that are read and discarded.
const MAX_DISCARDED: usize = 1 << 20;

/// Writes `answer`, if there is one, closes the sending side and waits for the client to close, within bounds.
pub(crate) async fn close<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut S, answer: Option<&[u8]>) -> io::Result<()> {
    close_within(TIMEOUT, stream, answer).await
}

async fn close_within<S>(timeouts: Duration, stream: &mut S, answer: Option<&[u8]>) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let closing = async {
        if let Some(answer) = answer {
            stream.write_all(answer).await?;
        }
        stream.shutdown().await?;
        let mut scrap = [0; 4096];
        let mut discarded = 0;
        while discarded < MAX_DISCARDED {
            match stream.read(&mut scrap).await? {
                0 => break,
                count => discarded += count,
            }
        }
        Ok(())
    };
    tokio::time::timeout(timeouts, closing).await.unwrap_or(Ok(()))
}

/// A response as it is written on a connection that ends with it.
pub(crate) fn encode(head: &ResponseHead, body: &Bytes) -> Vec<u8> {
    let status = head.status;
    let mut answer = format!(
        "HTTP/1.1 {} {}\r\n",
        status.as_u16(),
        status.canonical_reason().unwrap_or_default()
    )
    .into_bytes();
    for (name, value) in &head.headers {
        for part in [name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"] {
            answer.extend_from_slice(part);
        }
    }
    let date = httpdate::fmt_http_date(SystemTime::now());
    let framing = format!(
        "content-length: {}\r\nconnection: close\r\ndate: {date}\r\n\r\n",
        body.len()
    );
    answer.extend_from_slice(framing.as_bytes());
    answer.extend_from_slice(body);
    answer
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, StatusCode};

    use super::*;

    #[tokio::test]
    async fn the_answer_arrives_though_the_peer_keeps_sending() {
        let (mut here, mut there) = tokio::io::duplex(256);
        let (head, body) = (
            ResponseHead {
                status: StatusCode::BAD_REQUEST,
                headers: HeaderMap::new(),
            },
            Bytes::from_static(b"why"),
        );
        let answer = encode(&head, &body);
        let peer = async {
            there.write_all(&[b'x'; 10_000]).await.unwrap();
            let mut said = Vec::new();
            there.read_to_end(&mut said).await.unwrap();
            drop(there);
            said
        };
        let (end, said) = tokio::join!(close(&mut here, Some(&answer)), peer);
        end.unwrap();
        assert_eq!(said, answer);
        let said = String::from_utf8(said).unwrap();
        assert!(
            said.starts_with("HTTP/1.1 400 Bad Request\r\ncontent-length: 3\r\nconnection: close\r\ndate: "),
            "{said}"
        );
        assert!(said.ends_with("\r\n\r\nwhy"), "{said}");
    }

    #[tokio::test]
    async fn a_peer_that_never_closes_is_not_waited_for_forever() {
        let (mut here, _there) = tokio::io::duplex(256);
        close_within(Duration::from_millis(10), &mut here, None).await.unwrap();
    }

    #[tokio::test]
    async fn a_peer_that_never_stops_sending_is_not_listened_to_forever() {
        let (mut here, mut there) = tokio::io::duplex(1 << 16);
        let flood = async { while there.write_all(&[b'x'; 4096]).await.is_ok() {} };
        let leaving = async {
            close_within(Duration::from_secs(60), &mut here, None).await.unwrap();
            drop(here);
        };
        tokio::join!(leaving, flood);
    }
}

//! Connecting to a host with several addresses (RFC 8305, "Happy Eyeballs"): one that does not answer delays the next by a quarter of a
//! second, and one that refuses not at all. The first connection wins.

use std::future::{Future, poll_fn};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep};

use crate::resolve::HostRecord;

/// Time for an address to answer before the next one is tried, too (RFC 8305, section 5).
const STAGGER: Duration = Duration::from_millis(250);

/// Connects to one of the host's addresses. Dropping the future ends all attempts.
///
/// # Errors
/// The failure of the attempt that failed last.
pub(super) async fn connect(record: &HostRecord, port: u16) -> io::Result<TcpStream> {
    let mut race = Race {
        record,
        port,
        left: record.order().into_iter(),
        running: Vec::new(),
        stagger: Box::pin(tokio::time::sleep(STAGGER)),
        failure: None,
    };
    poll_fn(|context| race.poll(context)).await
}

struct Race<'a> {
    record: &'a HostRecord,
    port: u16,
    /// Addresses that were not tried yet.
    left: std::vec::IntoIter<IpAddr>,
    running: Vec<Attempt>,
    /// Ends when the next address is tried although others still run.
    stagger: Pin<Box<Sleep>>,
    failure: Option<io::Error>,
}

struct Attempt {
    address: IpAddr,
    began: Instant,
    connecting: Pin<Box<dyn Future<Output = io::Result<TcpStream>>>>,
}

impl Race<'_> {
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<io::Result<TcpStream>> {
        loop {
            if let Some(socket) = self.poll_running(context) {
                return Poll::Ready(Ok(socket));
            }
            let is_last = self.left.as_slice().is_empty();
            match self.running.is_empty() {
                true if is_last => {
                    let nothing = || io::Error::new(io::ErrorKind::NotFound, "the host name has no address");
                    return Poll::Ready(Err(self.failure.take().unwrap_or_else(nothing)));
                }
                false if is_last || self.stagger.as_mut().poll(context).is_pending() => return Poll::Pending,
                _ => self.start_next(),
            }
        }
    }

    /// The first connection that is made. Attempts that fail meanwhile are noted.
    fn poll_running(&mut self, context: &mut Context<'_>) -> Option<TcpStream> {
        let mut index = 0;
        while let Some(attempt) = self.running.get_mut(index) {
            let Poll::Ready(outcome) = attempt.connecting.as_mut().poll(context) else {
                index += 1;
                continue;
            };
            let address = self.running.remove(index).address;
            self.record.note(address, outcome.is_ok());
            match outcome {
                Ok(socket) => return Some(socket),
                Err(error) => self.failure = Some(error),
            }
        }
        None
    }

    fn start_next(&mut self) {
        let Some(address) = self.left.next() else { return };
        let began = Instant::now();
        self.stagger.as_mut().reset(began + STAGGER);
        self.running.push(Attempt {
            address,
            began,
            connecting: Box::pin(TcpStream::connect(SocketAddr::new(address, self.port))),
        });
    }
}

impl Drop for Race<'_> {
    /// Whoever has had its time and did not answer is tried last by the next connections.
    fn drop(&mut self) {
        for attempt in self.running.drain(..) {
            if attempt.began.elapsed() >= STAGGER {
                self.record.note(attempt.address, false);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn a_refusing_address_is_followed_by_the_next_one_at_once() {
        let listener = TcpListener::bind("127.0.0.2:0").expect("a port");
        let port = listener.local_addr().expect("bound").port();
        let record = HostRecord::default();
        record.set(["127.0.0.3", "127.0.0.2"].map(|text| text.parse().expect("an address")));
        let began = Instant::now();
        for _ in 0..4 {
            let socket = connect(&record, port).await.expect("one of two answers");
            assert_eq!(socket.peer_addr().expect("connected").ip().to_string(), "127.0.0.2");
        }
        assert!(began.elapsed() < STAGGER);
    }

    #[tokio::test]
    async fn when_all_refuse_the_failure_is_theirs() {
        let record = HostRecord::default();
        let none = connect(&record, 1).await.expect_err("no address");
        assert_eq!(none.kind(), io::ErrorKind::NotFound);
        record.set(["127.0.0.3".parse().expect("an address")]);
        let port = {
            let vacant = TcpListener::bind("127.0.0.3:0").expect("a port");
            vacant.local_addr().expect("bound").port()
        };
        let refused = connect(&record, port).await.expect_err("nobody listens");
        assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
    }

    /// A port whose queue of new connections is full: further ones get no answer.
    fn mute() -> (socket2::Socket, Vec<socket2::Socket>, u16) {
        use socket2::{Domain, Socket, Type};
        let listener = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
        listener
            .bind(&SocketAddr::from(([127, 0, 0, 4], 0)).into())
            .expect("a port");
        listener.listen(0).expect("listening");
        let address = listener.local_addr().expect("bound");
        let full = (0..8).map(|_| {
            let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
            socket.set_nonblocking(true).expect("set");
            let _ = socket.connect(&address);
            socket
        });
        let full = full.collect();
        let port = address.as_socket().expect("an IP address").port();
        (listener, full, port)
    }

    #[tokio::test]
    async fn a_mute_address_costs_a_quarter_of_a_second_once() {
        let (_mute, _full, port) = mute();
        let _listener = TcpListener::bind(("127.0.0.5", port)).expect("the same port elsewhere");
        let record = HostRecord::default();
        record.set(["127.0.0.4", "127.0.0.5"].map(|text| text.parse().expect("an address")));
        let mut slow = 0;
        for _ in 0..6 {
            let began = Instant::now();
            let socket = connect(&record, port).await.expect("one of two answers");
            assert_eq!(socket.peer_addr().expect("connected").ip().to_string(), "127.0.0.5");
            slow += u32::from(began.elapsed() >= STAGGER);
        }
        assert_eq!(slow, 1);
    }
}

//! The record of one request: started when its head has arrived, ended when the last byte of its response is out, or when
//! either side has gone. Its end ends the request in every plugin, counts it and writes its line in the access log.

use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, UNIX_EPOCH};

use http::{HeaderMap, StatusCode, Version};
use lockgate_exchange::{VIA_UPSTREAM, clock};
use lockgate_http::{grpc, response_flags};
use lockgate_telemetry::access_log::{AccessLog, Record};
use lockgate_telemetry::close_reason::CloseReason;
use lockgate_telemetry::failure_log::FailedRequest;
use lockgate_telemetry::metrics::{OpenTunnel, RequestSeries};
use lockgate_upstream::UpstreamTimeouts;

use crate::body::error::BodyError;
use crate::body::source::ByteCounter;
use crate::chain::Chain;
use crate::context::WorkerContext;
use crate::context::idle_monitor::RequestGuard;
use crate::context::view::View;
use crate::pipeline::deadline::{Deadline, Overdue};

/// How the response ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ResponseEnd {
    /// Not yet; if it stays so, the client closed the connection.
    Open,
    /// The last byte was handed to the connection.
    Complete,
    /// It broke off; the word is the access log's `abort_reason`.
    Aborted(&'static str),
}

/// The record of one request.
pub(crate) struct RequestRecorder {
    chain: Rc<Chain>,
    /// Keeps the VMs of the snapshot that answers alive.
    view: Rc<View>,
    series: RequestSeries,
    access_log: Option<Arc<AccessLog>>,
    received: ByteCounter,
    worker: Rc<WorkerContext>,
    sent: u64,
    status: Option<StatusCode>,
    grpc_status: Option<u32>,
    ending: ResponseEnd,
    /// The connection is in use as long as the record is open.
    busy: RequestGuard,
    /// What is left of the exchange's time, once its response has begun.
    deadline: Option<Deadline>,
    /// It is counted already, because its response is a 101 and a tunnel goes on behind it.
    is_tunnel: bool,
}

impl RequestRecorder {
    /// Starts the record of a request that is answered by `view`. In a box, as it goes from hand to hand with the response.
    pub(crate) fn start(
        chain: Rc<Chain>,
        view: Rc<View>,
        series: RequestSeries,
        access_log: Option<Arc<AccessLog>>,
        received: ByteCounter,
        worker: Rc<WorkerContext>,
        busy: RequestGuard,
    ) -> Box<Self> {
        Box::new(Self {
            chain,
            view,
            series,
            access_log,
            received,
            worker,
            sent: 0,
            status: None,
            grpc_status: None,
            ending: ResponseEnd::Open,
            busy,
            deadline: None,
            is_tunnel: false,
        })
    }

    /// Counts the request under another route from now on.
    pub(crate) fn count_by(&mut self, series: RequestSeries) {
        self.series = series;
    }

    /// The response's head is about to be sent; the body has what is left of the route's time.
    pub(crate) fn answered(&mut self, status: StatusCode, version: Version, deadline: Deadline) {
        self.status = Some(status);
        if version <= Version::HTTP_11 {
            // The HTTP library looks at the body no more while the client takes nothing.
            self.busy.connection().set_response_due(deadline.total());
        }
        self.deadline = Some(deadline);
    }

    /// Notes the gRPC status in these headers or trailers of the response, if there is one.
    pub(crate) fn note_grpc_status(&mut self, headers: &HeaderMap) {
        self.grpc_status = grpc::status_in(headers).or(self.grpc_status);
    }

    /// Ready when the exchange has taken longer than its route allows, or nothing moves; else the task is woken then.
    pub(crate) fn poll_overdue(&mut self, cx: &mut Context<'_>) -> Poll<Overdue> {
        match &mut self.deadline {
            Some(deadline) => deadline.poll_passed(cx, self.sent),
            None => Poll::Pending,
        }
    }

    /// Counts bytes of the response's body that were handed to the connection.
    pub(crate) fn sent(&mut self, bytes: usize) {
        self.sent += bytes as u64;
    }

    /// The response's last byte was handed to the connection.
    pub(crate) fn complete(&mut self) {
        if self.ending == ResponseEnd::Open {
            self.ending = ResponseEnd::Complete;
        }
    }

    /// The response is a 101: it is counted now, and its time limits are over.
    pub(crate) fn open_tunnel(&mut self) -> OpenTunnel {
        let started = self.chain.exchange.borrow().info.started;
        let took = clock::now().saturating_duration_since(started);
        let connection = self.busy.connection();
        connection.set_response_due(None);
        connection.wrote(false);
        (self.deadline, self.is_tunnel) = (None, true);
        self.series.record(StatusCode::SWITCHING_PROTOCOLS.as_u16(), took);
        self.series.open_tunnel()
    }

    /// How long nothing may move in a tunnel to the request's upstream. Zero: without a limit.
    pub(crate) fn tunnel_timeout(&self) -> Duration {
        let exchange = self.chain.exchange.borrow();
        let name = exchange.info.upstream.as_ref();
        let mut upstreams = self.view.snapshot.model.upstreams.iter();
        let upstream = upstreams.find(|upstream| Some(&upstream.name) == name);
        upstream.map_or(UpstreamTimeouts::default().tunnel.0, |upstream| {
            upstream.settings.timeouts.tunnel.0
        })
    }

    /// The tunnel has ended, after so many bytes from and to the client.
    pub(crate) fn close_tunnel(&mut self, received: u64, sent: u64, ending: CloseReason) {
        (self.received, self.sent) = (ByteCounter::known(received), sent);
        self.ending = match ending {
            CloseReason::Complete => ResponseEnd::Complete,
            ending => ResponseEnd::Aborted(ending.as_str()),
        };
    }

    /// A plugin closed the stream before a response.
    pub(crate) fn closed(&mut self) {
        self.aborted(&BodyError::Stopped);
    }

    /// The response broke off after its head.
    pub(crate) fn aborted(&mut self, error: &BodyError) {
        let cause = self.chain.take_cause().unwrap_or_else(|| error.to_string());
        self.chain.exchange.borrow_mut().info.cause = Some(cause.into());
        self.ending = ResponseEnd::Aborted(error.abort_reason());
        if self.chain.exchange.borrow().info.version < Version::HTTP_11 {
            // Its client may take the end of the connection for the end of the body.
            self.busy.connection().reset_at_end(error.abort_reason());
        }
    }

    /// Why the response is incomplete.
    fn abort_reason(&self) -> Option<&'static str> {
        match self.ending {
            ResponseEnd::Open => Some(self.busy.connection().end_reason().unwrap_or("client_reset")),
            ResponseEnd::Complete => None,
            ResponseEnd::Aborted(abort_reason) => Some(abort_reason),
        }
    }

    /// Writes the log's line of a request that the gateway refused, that failed, or whose response broke off. A response of the
    /// upstream, whatever its status, is none of these, and a client that leaves is no failure.
    fn log_failure(&self, took: Duration) {
        let exchange = self.chain.exchange.borrow();
        let info = &exchange.info;
        let Some(cause) = &info.cause else { return };
        let ended = info.started_at.duration_since(UNIX_EPOCH).unwrap_or_default() + took;
        let reason = match self.ending {
            ResponseEnd::Aborted(reason) => reason,
            _ => info.code_details.as_deref().unwrap_or_default(),
        };
        self.worker.failures.write(
            ended.as_secs(),
            &FailedRequest {
                request_id: info.request_id.to_str().unwrap_or_default(),
                client: info.client,
                method: &exchange.request.method,
                host: exchange.request.authority.to_str().unwrap_or_default(),
                path: exchange.request.path.path(),
                status: self.status.map(|status| status.as_u16()),
                route: info.route.as_deref(),
                upstream: info.upstream.as_deref(),
                endpoint: info.upstream_address,
                attempts: info.attempts,
                reason,
                cause,
            },
        );
    }

    fn record(&self, log: &AccessLog, took: Duration) {
        let exchange = self.chain.exchange.borrow();
        let info = &exchange.info;
        log.write(&Record {
            time: info.started_at,
            request_id: info.request_id.to_str().unwrap_or_default().into(),
            listener: &info.connection.listener,
            client: info.client,
            method: &exchange.request.method,
            host: String::from_utf8_lossy(exchange.request.authority.as_bytes()),
            path: exchange.request.path.path(),
            protocol: info.version,
            status: self.status.map(|status| status.as_u16()),
            grpc_status: self.grpc_status,
            route: info.route.as_deref(),
            upstream: info.upstream.as_deref(),
            endpoint: info.upstream_address,
            attempts: info.attempts,
            breaker: info.breaker,
            response_flags: response_flags::names(info.flags).collect(),
            bytes_in: self.received.bytes(),
            bytes_out: self.sent,
            duration: took,
            upstream_latency: info.upstream_latency,
            code_details: info.code_details.as_deref().filter(|details| *details != VIA_UPSTREAM),
            abort_reason: self.abort_reason(),
            cause: info.cause.as_deref(),
            plugins: self.chain.plugin_times(),
        });
    }
}

impl Drop for RequestRecorder {
    fn drop(&mut self) {
        self.busy.connection().set_response_due(None);
        let took = {
            let mut exchange = self.chain.exchange.borrow_mut();
            let took = clock::now().saturating_duration_since(exchange.info.started);
            exchange.info.ended = Some(took);
            exchange.info.request_bytes = self.received.bytes();
            exchange.info.response_bytes = self.sent;
            let is_ended_here = self.busy.connection().end_reason().is_some();
            match self.ending {
                ResponseEnd::Open if !is_ended_here => {
                    exchange.info.flags |= response_flags::DOWNSTREAM_CONNECTION_TERMINATION;
                }
                ResponseEnd::Aborted(_) if self.status.is_none() => exchange.info.flags |= response_flags::LOCAL_RESET,
                _ => {}
            }
            took
        };
        self.chain.finish();
        let status = match (self.status, self.ending) {
            (Some(status), _) => status.as_u16(),
            // nginx's numbers: the client left before it was answered, or was closed without an answer.
            (None, ResponseEnd::Open) => 499,
            (None, _) => 444,
        };
        if !self.is_tunnel {
            self.series.record(status, took);
        }
        if let Some(status) = self.grpc_status {
            self.series.record_grpc_status(status);
        }
        self.log_failure(took);
        if let Some(log) = &self.access_log {
            self.record(log, took);
        }
    }
}

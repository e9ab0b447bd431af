//! Endpoints from Kubernetes: the EndpointSlices of a service, listed and then watched
//! (<https://kubernetes.io/docs/reference/using-api/api-concepts/#efficient-detection-of-changes>).

mod slices;

use std::path::Path;
use std::time::Duration;

use http::header::{ACCEPT, AUTHORIZATION};
use lockgate_upstream::KubernetesDiscovery;
use serde::Deserialize;
use serde_json::Value;

use self::slices::{Slice, Slices};
use super::{read_file, read_token};
use crate::backoff::Backoff;
use crate::error::SourceError;
use crate::http_api::{ApiRequest, HttpClient, Lines, Server, TIMEOUT, encoded, query};
use crate::publisher::Publisher;

/// The folder of a pod's service account.
const ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";
/// Slices in one page of a list.
const PAGE: usize = 500;
/// Maximum number of pages of a list.
const MAX_PAGES: usize = 200;
/// Time after which the API server ends a watch.
const WATCH: Duration = Duration::from_secs(240);
/// Time without a line, bookmarks included, after which a watch is given up.
const SILENCE: Duration = Duration::from_secs(270);
/// Interrupted watches in a row, without an event, that are no failure.
const MAX_INTERRUPTIONS: u32 = 3;
/// Pause before a watch that has ended is started again.
const PAUSE: Duration = Duration::from_millis(250);

pub(super) async fn run(settings: KubernetesDiscovery, mut publisher: Publisher, client: HttpClient) {
    let (mut backoff, mut interruptions) = (Backoff::default(), 0);
    let mut watcher = Watcher {
        settings,
        client,
        slices: Slices::default(),
        version: None,
        events: None,
    };
    loop {
        let outcome = watcher.follow(&mut publisher, &mut backoff).await;
        if watcher.events.is_some_and(|events| events > 0) {
            interruptions = 0;
        }
        match outcome {
            // The API server ends watches in the usual course of things.
            Ok(()) => interruptions = 0,
            Err(error) if interruptions < MAX_INTERRUPTIONS && watcher.is_interrupted(&error) => interruptions += 1,
            Err(error) => {
                publisher.failed(&error);
                tokio::time::sleep(backoff.next()).await;
            }
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Whether the API server says that a version is too old (410).
fn is_gone(error: &SourceError) -> bool {
    matches!(error, SourceError::Status { status: 410, .. })
}

/// A list and its watch.
struct Watcher {
    settings: KubernetesDiscovery,
    client: HttpClient,
    slices: Slices,
    /// The version of the last change that is known; none: everything is to be listed.
    version: Option<String>,
    /// Events of the running watch; none if it has not begun.
    events: Option<u64>,
}

/// Where the API server is, and how it is asked.
struct Api {
    server: Server,
    path: String,
    selector: String,
    token: Option<String>,
}

/// A page of a list.
#[derive(Deserialize)]
struct Page {
    metadata: PageMetadata,
    #[serde(default)]
    items: Option<Vec<Value>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PageMetadata {
    #[serde(default)]
    resource_version: String,
    #[serde(default, rename = "continue")]
    next: Option<String>,
}

/// A line of a watch.
#[derive(Deserialize)]
struct Event {
    #[serde(rename = "type")]
    kind: String,
    object: Value,
}

impl Watcher {
    /// Whether a failure belongs to the usual course of things: the connection of a watch is cut, or the version is too old. What happened
    /// since such a version is not known: everything is listed anew.
    fn is_interrupted(&mut self, error: &SourceError) -> bool {
        match error {
            SourceError::Exchange(_) => self.events.is_some(),
            error => is_gone(error) && self.version.take().is_some(),
        }
    }

    /// Lists, unless the last watch can be continued, and watches until the API server ends it.
    async fn follow(&mut self, publisher: &mut Publisher, backoff: &mut Backoff) -> Result<(), SourceError> {
        self.events = None;
        let api = Api::of(&self.settings).await?;
        let version = match &self.version {
            Some(version) => version.clone(),
            None => self.list(&api, publisher).await?,
        };
        let mut lines = api.watch(&self.client, &version).await?;
        // A list that is known to be followed is current.
        publisher
            .list(self.slices.endpoints(self.settings.port.as_deref())?)
            .await;
        backoff.clear();
        self.events = Some(0);
        while let Some(line) = lines.next(SILENCE).await? {
            let event: Event = serde_json::from_slice(&line)
                .map_err(|error| SourceError::Malformed(format!("a line of the watch is not an event: {error}")))?;
            if self.apply(event, publisher)? {
                publisher
                    .list(self.slices.endpoints(self.settings.port.as_deref())?)
                    .await;
            } else {
                publisher.confirmed();
            }
        }
        Ok(())
    }

    /// Lists all slices, page by page, and returns the version of the list.
    async fn list(&mut self, api: &Api, publisher: &Publisher) -> Result<String, SourceError> {
        let (mut slices, mut skipped, mut next) = (Slices::default(), 0, None);
        for _ in 0..MAX_PAGES {
            let page: Page = api.page(&self.client, next.as_deref()).await?;
            for item in page.items.unwrap_or_default() {
                match serde_json::from_value::<Slice>(item) {
                    Ok(slice) => slices.set(slice),
                    Err(_) => skipped += 1,
                }
            }
            next = page.metadata.next.filter(|next| !next.is_empty());
            if next.is_none() {
                publisher.skipped(skipped, "an EndpointSlice that cannot be read");
                self.slices = slices;
                self.version = Some(page.metadata.resource_version.clone());
                return Ok(page.metadata.resource_version);
            }
        }
        Err(SourceError::Malformed(
            "the list of EndpointSlices has no end".to_owned(),
        ))
    }

    /// Applies an event; whether endpoints may have changed.
    fn apply(&mut self, event: Event, publisher: &Publisher) -> Result<bool, SourceError> {
        if event.kind == "ERROR" {
            let number = event.object.get("code").and_then(Value::as_u64);
            let message = event.object.get("message").and_then(Value::as_str).unwrap_or_default();
            return Err(SourceError::Status {
                status: number.and_then(|code| u16::try_from(code).ok()).unwrap_or(500),
                body: message.chars().take(200).collect(),
            });
        }
        let version = event
            .object
            .pointer("/metadata/resourceVersion")
            .and_then(Value::as_str);
        let version = version.map(str::to_owned);
        let is_change = match event.kind.as_str() {
            "ADDED" | "MODIFIED" => match serde_json::from_value::<Slice>(event.object) {
                Ok(slice) => {
                    self.slices.set(slice);
                    true
                }
                Err(_) => {
                    publisher.skipped(1, "an EndpointSlice that cannot be read");
                    false
                }
            },
            "DELETED" => {
                let name = event.object.pointer("/metadata/name").and_then(Value::as_str);
                name.is_some_and(|name| self.slices.remove(name))
            }
            // A BOOKMARK brings a version alone; what is not known is passed over.
            _ => false,
        };
        self.version = version.or(self.version.take());
        Ok(is_change)
    }
}

impl Api {
    /// As the settings say; where they do not, as the service account of this pod says.
    async fn of(settings: &KubernetesDiscovery) -> Result<Self, SourceError> {
        let account = Path::new(ACCOUNT);
        let namespace = match &settings.namespace {
            Some(namespace) => namespace.clone(),
            None => {
                let found = read_file(&account.join("namespace"), 1024).await;
                found.map_or_else(|_| "default".to_owned(), |text| text.trim().to_owned())
            }
        };
        // Tokens are short-lived: the file is replaced all the time.
        let token = match &settings.token_file {
            Some(file) => Some(read_token(file).await?),
            // Without a service account there is none; a request without a token is then refused, or allowed.
            None => read_token(&account.join("token")).await.ok(),
        };
        Ok(Self {
            server: Server::new(&settings.url)?,
            path: format!(
                "/apis/discovery.k8s.io/v1/namespaces/{}/endpointslices",
                encoded(&namespace)
            ),
            selector: format!("kubernetes.io/service-name={}", settings.service),
            token,
        })
    }

    async fn page(&self, client: &HttpClient, next: Option<&str>) -> Result<Page, SourceError> {
        let mut pairs = vec![("labelSelector", self.selector.clone()), ("limit", PAGE.to_string())];
        pairs.extend(next.map(|next| ("continue", next.to_owned())));
        let answer = client.send(&self.server, &self.request(pairs), TIMEOUT).await?;
        answer.json().await
    }

    async fn watch(&self, client: &HttpClient, version: &str) -> Result<Lines, SourceError> {
        let pairs = vec![
            ("labelSelector", self.selector.clone()),
            ("watch", "true".to_owned()),
            ("allowWatchBookmarks", "true".to_owned()),
            ("resourceVersion", version.to_owned()),
            ("timeoutSeconds", WATCH.as_secs().to_string()),
        ];
        // The headers come at once, or with the first event.
        let answer = client.send(&self.server, &self.request(pairs), WATCH).await?;
        Ok(answer.lines())
    }

    fn request(&self, pairs: Vec<(&str, String)>) -> ApiRequest {
        let request = ApiRequest::get(format!("{}?{}", self.path, query(pairs))).with(ACCEPT, "application/json");
        match &self.token {
            Some(token) => request.with(AUTHORIZATION, &format!("Bearer {token}")),
            None => request,
        }
    }
}

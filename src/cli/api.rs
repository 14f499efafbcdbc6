//! The management API as a client sees it: one server, one key, JSON both ways.

use std::time::Duration;

use clap::Args;
use reqwest::redirect::Policy;
use reqwest::{Method, RequestBuilder, Response};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use url::{Host, Url};

use super::failure::Failure;
use super::output;
use super::problem::refusal;

const DEFAULT_URL: &str = "http://127.0.0.1:8000";
/// Longer than any answer of the API takes.
const TIMEOUT: Duration = Duration::from_secs(60);
/// Longer than any download takes as a whole; each piece of it has [`TIMEOUT`].
const DOWNLOAD: Duration = Duration::from_secs(7 * 86_400);

#[derive(Args)]
#[command(next_help_heading = "Server")]
pub(super) struct ApiArgs {
    /// Where agenthook runs [default: http://127.0.0.1:8000]
    #[arg(long, value_name = "URL", env = "AGENTHOOK_URL", global = true)]
    server: Option<String>,

    /// The API key, ahk_…; the variable keeps it out of the shell's history
    #[arg(long, value_name = "KEY", env = "AGENTHOOK_API_KEY", hide_env_values = true, global = true)]
    api_key: Option<SecretString>,

    /// Print the server's JSON instead of text for people; a refusal's on stderr
    #[arg(long, global = true)]
    pub(super) json: bool,
}

impl ApiArgs {
    /// The server with the key. An empty variable is an unset one.
    pub(super) fn api(&self) -> Result<Api, Failure> {
        let key = self.api_key.clone().filter(|key| !key.expose_secret().trim().is_empty());
        let key = key.ok_or_else(|| {
            Failure::Usage(
                "AGENTHOOK_API_KEY is not set: export AGENTHOOK_API_KEY=ahk_… with the admin key that `agenthook serve` \
                 printed at its first start (or the AGENTHOOK_ADMIN_KEY it was given)"
                    .into(),
            )
        })?;
        Ok(Api { key: Some(key), ..self.anonymous()? })
    }

    /// A server that nothing but the URL is known of.
    pub(super) fn at(server: Option<String>) -> Self {
        Self { server, api_key: None, json: false }
    }

    /// The server's URL as it was given.
    pub(super) fn server(&self) -> Option<&str> {
        self.server.as_deref().map(str::trim).filter(|text| !text.is_empty())
    }

    /// The server without a key: all that a sender of webhooks has.
    pub(super) fn anonymous(&self) -> Result<Api, Failure> {
        let text = self.server().unwrap_or(DEFAULT_URL);
        let base =
            Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
        let base = base.ok_or_else(|| {
            Failure::Usage(format!("AGENTHOOK_URL: `{text}` is not an http:// or https:// URL"))
        })?;
        let mut client = reqwest::Client::builder()
            .timeout(TIMEOUT)
            .redirect(Policy::none())
            .user_agent(concat!("agenthook/", env!("CARGO_PKG_VERSION")));
        if is_loopback(&base) {
            // a proxy for the world cannot reach this machine
            client = client.no_proxy();
        }
        let http = client.build().map_err(|error| Failure::Fault(format!("no HTTP client: {error}")))?;
        Ok(Api { http, base, key: None, json: self.json })
    }
}

/// A server that can be asked.
pub(super) struct Api {
    http: reqwest::Client,
    base: Url,
    key: Option<SecretString>,
    json: bool,
}

/// An answer's body: the text as the server sent it, and the JSON in it.
pub(super) struct Answer {
    pub(super) text: String,
    pub(super) json: Value,
}

impl Api {
    /// A server of our own, of which everything is known.
    pub(super) fn at(base: Url, key: SecretString) -> Result<Self, Failure> {
        let args = ApiArgs { server: Some(base.into()), api_key: Some(key), json: false };
        args.api()
    }

    pub(super) async fn get(&self, path: &[&str], query: &[(&str, String)]) -> Result<Answer, Failure> {
        self.ask(self.request(Method::GET, path).query(query)).await
    }

    pub(super) async fn write(&self, method: Method, path: &[&str], body: &Value) -> Result<Answer, Failure> {
        self.ask(self.request(method, path).json(body)).await
    }

    /// The same, only if the thing is still at this version.
    pub(super) async fn write_if(
        &self,
        version: Option<i32>,
        method: Method,
        path: &[&str],
        body: &Value,
    ) -> Result<Answer, Failure> {
        self.ask(only_if(version, self.request(method, path)).json(body)).await
    }

    /// Sends JSON as it is written: nothing of its numbers and names is lost.
    pub(super) async fn post_text(&self, path: &[&str], json: String) -> Result<Answer, Failure> {
        let request = self.request(Method::POST, path).header("Content-Type", "application/json");
        self.ask(request.body(json)).await
    }

    /// `/readyz` of this process, which is given so long to answer.
    pub(super) async fn ready(&self, patience: Duration) -> Result<Answer, Failure> {
        self.ask(self.http.get(self.url(&["readyz"])).timeout(patience)).await
    }

    pub(super) async fn delete(&self, path: &[&str]) -> Result<Answer, Failure> {
        self.delete_if(None, path).await
    }

    /// The same, only if the thing is still at this version.
    pub(super) async fn delete_if(&self, version: Option<i32>, path: &[&str]) -> Result<Answer, Failure> {
        self.ask(only_if(version, self.request(Method::DELETE, path))).await
    }

    /// A request to this path below `/api/v1`.
    fn request(&self, method: Method, path: &[&str]) -> RequestBuilder {
        let request = self.http.request(method, self.url(&[&["api", "v1"], path].concat()));
        match &self.key {
            Some(key) => request.bearer_auth(key.expose_secret()),
            None => request,
        }
    }

    /// Where an agent takes deliveries.
    pub(super) fn webhook_url(&self, agent: &str) -> Url {
        self.url(&["webhook", "agents", agent, "webhook"])
    }

    /// A signed delivery; the answer comes back whatever it is.
    pub(super) async fn deliver(
        &self,
        agent: &str,
        headers: &[(String, String)],
        body: Vec<u8>,
    ) -> Result<(u16, String), Failure> {
        let request = self.http.post(self.webhook_url(agent)).body(body);
        let request = headers.iter().fold(request, |request, (name, value)| request.header(name, value));
        let response = self.open(request).await?;
        Ok((response.status().as_u16(), self.body(response).await?))
    }

    fn url(&self, path: &[&str]) -> Url {
        let mut url = self.base.clone();
        url.set_query(None);
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path);
        }
        url
    }

    async fn open(&self, request: RequestBuilder) -> Result<Response, Failure> {
        request.send().await.map_err(|error| {
            let url = self.base.as_str().trim_end_matches('/');
            Failure::Fault(if error.is_timeout() {
                format!("{url} did not answer in time")
            } else if error.is_connect() {
                format!("cannot reach {url}: is agenthook running there? (AGENTHOOK_URL says where)")
            } else {
                format!("{url}: {}", chain(&error.without_url()))
            })
        })
    }

    async fn body(&self, response: Response) -> Result<String, Failure> {
        response.text().await.map_err(|error| {
            Failure::Fault(format!("{}: the answer broke off: {}", self.base, chain(&error.without_url())))
        })
    }

    /// An answer that may be too large for the memory.
    pub(super) async fn download(
        &self,
        path: &[&str],
        query: &[(&str, String)],
    ) -> Result<Download, Failure> {
        let response = self.open(self.request(Method::GET, path).query(query).timeout(DOWNLOAD)).await?;
        let status = response.status();
        if !status.is_success() {
            return Err(self.refused(status.as_u16(), self.body(response).await?));
        }
        Ok(Download { response, from: self.base.clone() })
    }

    /// Messages that come as they happen. A refusal that is not for good is [`Opened::NotNow`].
    pub(super) async fn follow(
        &self,
        path: &[&str],
        query: &[(&str, String)],
        last_id: Option<&str>,
    ) -> Result<Opened, Failure> {
        let mut request = self.request(Method::GET, path).query(query).timeout(DOWNLOAD);
        if let Some(id) = last_id {
            request = request.header("Last-Event-ID", id);
        }
        let response = match self.open(request).await {
            Ok(response) => response,
            Err(Failure::Fault(why)) => return Ok(Opened::NotNow(why)),
            Err(other) => return Err(other),
        };
        let status = response.status();
        if status.is_success() {
            return Ok(Opened::Stream(Download { response, from: self.base.clone() }));
        }
        let text = self.body(response).await?;
        match status.is_server_error() || status.as_u16() == 429 {
            true => Ok(Opened::NotNow(refusal(status.as_u16(), &text))),
            false => Err(self.refused(status.as_u16(), text)),
        }
    }

    fn refused(&self, status: u16, text: String) -> Failure {
        let is_json = serde_json::from_str::<serde::de::IgnoredAny>(&text).is_ok();
        match self.json && is_json {
            true => Failure::Refused(text),
            false => Failure::Fault(refusal(status, &text)),
        }
    }

    async fn ask(&self, request: RequestBuilder) -> Result<Answer, Failure> {
        let response = self.open(request).await?;
        let status = response.status();
        let text = self.body(response).await?;
        if !status.is_success() {
            return Err(self.refused(status.as_u16(), text));
        }
        if text.is_empty() {
            return Ok(Answer { text, json: Value::Null });
        }
        let json = serde_json::from_str(&text)
            .map_err(|_| Failure::Fault(format!("{} is not agenthook: its answer is not JSON", self.base)))?;
        Ok(Answer { text, json })
    }
}

/// What came of the wish to follow something.
pub(super) enum Opened {
    /// It begins.
    Stream(Download),
    /// The server is away or has no room: why.
    NotNow(String),
}

/// An answer that is read piece by piece.
pub(super) struct Download {
    response: Response,
    from: Url,
}

impl Download {
    /// The next piece; `None`: it has ended, and as it should.
    pub(super) async fn next(&mut self) -> Result<Option<impl AsRef<[u8]> + use<>>, Failure> {
        let broke_off = |why: String| Failure::Fault(format!("{}: the answer broke off: {why}", self.from));
        match tokio::time::timeout(TIMEOUT, self.response.chunk()).await {
            Ok(Ok(piece)) => Ok(piece),
            Ok(Err(error)) => Err(broke_off(chain(&error.without_url()))),
            Err(_) => Err(broke_off("nothing more came".into())),
        }
    }
}

impl Answer {
    /// For programs the server's own bytes, for people this.
    pub(super) fn show(&self, json: bool, people: impl FnOnce(&Value) -> String) -> Result<(), Failure> {
        match json {
            true if self.text.is_empty() => Ok(()),
            true => output::print(&self.text),
            false => output::print(people(&self.json)),
        }
    }
}

/// `If-Match`: somebody else's change must not be undone unseen.
fn only_if(version: Option<i32>, request: RequestBuilder) -> RequestBuilder {
    match version {
        Some(version) => request.header("If-Match", format!("\"{version}\"")),
        None => request,
    }
}

/// An error and what caused it.
fn chain(error: &dyn std::error::Error) -> String {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        line.push_str(&format!(": {error}"));
        cause = error.source();
    }
    line
}

/// Whether the URL leads to this very machine.
pub(super) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_server_may_live_below_a_path_and_ids_stay_one_segment() {
        let api = |server: &str| {
            ApiArgs { server: Some(server.to_owned()), api_key: None, json: false }
                .anonymous()
                .map(|api| api.base)
        };
        // A client needs the process's TLS provider, which main installs.
        let _ = rustls::crypto::ring::default_provider().install_default();
        assert_eq!(api(" ").expect("the default").as_str(), "http://127.0.0.1:8000/");
        for wrong in ["localhost:8000", "ftp://h", "127.0.0.1", "http://"] {
            assert!(matches!(api(wrong), Err(Failure::Usage(_))), "{wrong}");
        }
        let api = ApiArgs { server: Some("https://h/hooks/?x=1".into()), api_key: None, json: false };
        let url = api.anonymous().expect("a URL").url(&["agents", "a/../b?"]);
        assert_eq!(url.as_str(), "https://h/hooks/agents/a%2F..%2Fb%3F");
    }
}

//! A fake LiteLLM for crowds: it holds thousands of calls at a time, each for as long as it is told, and remembers
//! whose they were.

use std::net::TcpListener;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use actix_web::dev::ServerHandle;
use actix_web::web::{Data, Json};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use serde_json::Value;
use tokio::sync::watch;

use super::eventually;
use super::llm::completion_body;

/// The proxy. It ends with its test.
pub struct ManyCalls {
    pub url: String,
    book: Data<Book>,
    server: ServerHandle,
}

/// One call that came in.
#[derive(Clone, Debug)]
pub struct SeenCall {
    pub execution_id: String,
    /// Execution and number of the attempt.
    pub call_id: String,
    pub body: Value,
}

#[derive(Default)]
struct Book {
    delay_ms: AtomicU64,
    calls: Mutex<Vec<SeenCall>>,
    in_flight: AtomicUsize,
    peak: AtomicUsize,
    /// Calls with this text in them are not answered until the word changes.
    held: watch::Sender<Option<String>>,
}

/// A call is in flight until its time is over: the server does not notice that a caller died.
struct InFlight(Data<Book>);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::SeqCst);
    }
}

impl ManyCalls {
    /// Answers every call with "done", after this time.
    pub fn start(delay: Duration) -> Arc<Self> {
        let book = Data::new(Book::default());
        book.delay_ms.store(delay.as_millis() as u64, Ordering::SeqCst);
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("bound"));
        let shared = book.clone();
        let server = HttpServer::new(move || {
            App::new()
                .app_data(shared.clone())
                .app_data(web::JsonConfig::default().limit(64 << 20))
                .route("/v1/chat/completions", web::post().to(complete))
        });
        let server = server.workers(1).backlog(4096).disable_signals().shutdown_timeout(0);
        let server = server.listen(listener).expect("it listens").run();
        let handle = server.handle();
        tokio::spawn(server);
        Arc::new(Self { url, book, server: handle })
    }

    /// From now on, calls with this text in them are not answered until [`ManyCalls::let_go`].
    pub fn hold(&self, text: &str) {
        self.book.held.send_replace(Some(text.to_owned()));
    }

    /// Whatever is held is answered, and nothing is held any more.
    pub fn let_go(&self) {
        self.book.held.send_replace(None);
    }

    /// Every call so far, in the order in which they came.
    pub fn calls(&self) -> Vec<SeenCall> {
        self.book.calls.lock().expect("nobody panicked").clone()
    }

    pub fn in_flight(&self) -> usize {
        self.book.in_flight.load(Ordering::SeqCst)
    }

    /// As many as ever were in flight at once.
    pub fn peak(&self) -> usize {
        self.book.peak.load(Ordering::SeqCst)
    }

    /// Waits until so many calls have come.
    pub async fn called(&self, calls: usize) {
        eventually(&format!("{calls} calls have come"), async || {
            (self.book.calls.lock().expect("nobody panicked").len() >= calls).then_some(())
        })
        .await;
    }

    /// Waits until so many calls are in flight.
    pub async fn holds(&self, calls: usize) {
        eventually(&format!("the LLM holds {calls} calls"), async || {
            (self.in_flight() >= calls).then_some(())
        })
        .await;
    }
}

impl Drop for ManyCalls {
    fn drop(&mut self) {
        drop(self.server.stop(false));
    }
}

async fn complete(request: HttpRequest, body: Json<Value>, book: Data<Book>) -> HttpResponse {
    let header = |name: &str| {
        let value = request.headers().get(name).and_then(|value| value.to_str().ok());
        value.unwrap_or_default().to_owned()
    };
    let call = SeenCall {
        execution_id: header("x-litellm-trace-id"),
        call_id: header("x-litellm-call-id"),
        body: body.into_inner(),
    };
    let text = call.body.to_string();
    book.calls.lock().expect("nobody panicked").push(call);
    let now = book.in_flight.fetch_add(1, Ordering::SeqCst) + 1;
    book.peak.fetch_max(now, Ordering::SeqCst);
    let _in_flight = InFlight(book.clone());
    tokio::time::sleep(Duration::from_millis(book.delay_ms.load(Ordering::SeqCst))).await;
    let is_free = |held: &Option<String>| held.as_ref().is_none_or(|held| !text.contains(held.as_str()));
    let _ = book.held.subscribe().wait_for(is_free).await;
    HttpResponse::Ok().json(completion_body("done"))
}

//! A browser, as far as a form and a link go: it keeps its cookie, follows nothing by itself, and holds every page that
//! it is shown against what all pages must be.

use std::sync::Mutex;

use reqwest::header::HeaderMap;
use url::form_urlencoded;

use super::form::Form;
use crate::harness::Server;

/// The policy of every page, to the letter.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; \
                      img-src 'self' data:; form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

pub struct Browser {
    pub url: String,
    http: reqwest::Client,
    pub cookie: Mutex<Option<String>>,
}

/// What is shown.
pub struct Page {
    pub status: u16,
    pub headers: HeaderMap,
    pub text: String,
}

impl Browser {
    pub fn new(server: &Server) -> Self {
        let nowhere = reqwest::redirect::Policy::none();
        let http = reqwest::Client::builder().no_proxy().redirect(nowhere).build().expect("a client");
        Self { url: server.url.clone(), http, cookie: Mutex::default() }
    }

    /// One that is signed in.
    pub async fn signed_in(server: &Server, key: &str) -> Self {
        let browser = Self::new(server);
        let page = browser.sign_in(key, "").await;
        assert_eq!((page.status, page.header("location")), (303, "/"), "{}", page.text);
        browser
    }

    /// The same session at another server.
    pub fn at(&self, server: &Server) -> Self {
        let other = Self::new(server);
        *other.cookie.lock().expect("nobody panicked") = self.cookie.lock().expect("nobody panicked").clone();
        other
    }

    pub async fn sign_in(&self, key: &str, next: &str) -> Page {
        self.post("/sign-in", &[("key", key), ("next", next)]).await
    }

    pub async fn get(&self, path: &str) -> Page {
        self.send(self.http.get(format!("{}{path}", self.url))).await
    }

    /// A page that must be there.
    pub async fn sees(&self, path: &str) -> Page {
        let page = self.get(path).await;
        assert_eq!(page.status, 200, "{path}: {} {}", page.text, page.headers.get("location").is_some());
        page
    }

    /// Sends a form from a page of this server.
    pub async fn post(&self, path: &str, fields: &[(&str, &str)]) -> Page {
        self.post_from(path, fields, &[("origin", &self.url)]).await
    }

    /// Sends a form, with these headers about where it is from.
    pub async fn post_from(&self, path: &str, fields: &[(&str, &str)], from: &[(&str, &str)]) -> Page {
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        let mut request = self.http.post(format!("{}{path}", self.url)).body(body);
        request = request.header("content-type", "application/x-www-form-urlencoded");
        for (name, value) in from {
            request = request.header(*name, *value);
        }
        self.send(request).await
    }

    /// Presses a button that is on this page.
    pub async fn press(&self, page: &Page, action: &str) -> Page {
        self.press_with(page, action, &[]).await
    }

    /// The same with fields filled in.
    pub async fn press_with(&self, page: &Page, action: &str, fields: &[(&str, &str)]) -> Page {
        let form = page.form(action);
        let hidden = form.hidden.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let all: Vec<_> = hidden.chain(fields.iter().copied()).collect();
        self.post(&form.action, &all).await
    }

    /// The token of this session's forms.
    pub async fn csrf(&self) -> String {
        self.sees("/").await.form("/sign-out").hidden["csrf"].clone()
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> Page {
        let mut request = request.header("accept", "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8");
        if let Some(cookie) = self.cookie.lock().expect("nobody panicked").clone() {
            request = request.header("cookie", cookie);
        }
        let answer = request.send().await.expect("the server answers");
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        if let Some(set) = headers.get("set-cookie") {
            let set = set.to_str().expect("text");
            let (pair, rest) = set.split_once("; ").expect("attributes");
            for attribute in ["HttpOnly", "SameSite=Lax", "Path=/"] {
                assert!(rest.split("; ").any(|said| said == attribute), "{set}");
            }
            let ends = rest.contains("Max-Age=0");
            *self.cookie.lock().expect("nobody panicked") = (!ends).then(|| pair.to_owned());
        }
        let page = Page { status, headers, text: answer.text().await.expect("a whole answer") };
        page.is_a_page();
        page
    }
}

impl Page {
    pub fn header(&self, name: &str) -> &str {
        let value =
            self.headers.get(name).unwrap_or_else(|| panic!("no {name}: {} {}", self.status, self.text));
        value.to_str().expect("text")
    }

    pub fn has(&self, text: &str) -> bool {
        self.text.contains(text)
    }

    /// The forms that send something.
    pub fn forms(&self) -> Vec<Form> {
        let forms =
            self.text.split("<form ").skip(1).map(|rest| rest.split("</form>").next().unwrap_or_default());
        let posts =
            forms.filter(|form| form.split('>').next().is_some_and(|tag| tag.contains("method=\"post\"")));
        posts.map(Form::of).collect()
    }

    /// The first form that goes to this address.
    pub fn form(&self, action: &str) -> Form {
        let found = self.forms().into_iter().find(|form| form.action == action);
        found.unwrap_or_else(|| panic!("no form goes to {action}: {:?}", self.forms()))
    }

    /// What holds for every page and every way to one.
    fn is_a_page(&self) {
        assert_eq!(self.header("content-security-policy"), POLICY);
        assert_eq!(self.header("x-content-type-options"), "nosniff");
        assert_eq!(self.header("x-frame-options"), "DENY");
        assert_eq!(self.header("referrer-policy"), "same-origin");
        assert_eq!(self.header("cache-control"), "no-store");
        if self.status == 303 {
            assert!(self.header("location").starts_with('/'), "{}", self.header("location"));
            return;
        }
        assert_eq!(self.header("content-type"), "text/html; charset=utf-8", "{}", self.text);
        assert!(self.text.starts_with("<!doctype html>\n<html lang=\"en\">"), "{}", self.text);
        assert_eq!(self.text.matches("<h1").count(), 1, "{}", self.text);
        for part in ["<main id=\"main\"", "href=\"#main\"", "<header", "<footer", "name=\"viewport\""] {
            assert!(self.has(part), "no {part}: {}", self.text);
        }
        // Whatever is put into a page is escaped, so these can only be our own.
        let (lower, ours) = (self.text.to_lowercase(), "<script type=\"module\" src=\"");
        assert_eq!(lower.matches(ours).count(), 1, "{}", self.text);
        for inline in ["<script", "<style", "<img", "<iframe", "javascript:"] {
            assert!(!lower.replacen(ours, "", 1).contains(inline), "{inline}: {}", self.text);
        }
        for tag in self.text.split('<').skip(1).map(|rest| rest.split('>').next().unwrap_or_default()) {
            // Without the values.
            let attributes: String = tag.split('"').step_by(2).collect();
            let mut names = attributes.split(' ').skip(1);
            assert!(names.all(|name| !name.starts_with("on") && !name.starts_with("style")), "<{tag}>");
        }
        for label in self.text.split("<label for=\"").skip(1).filter_map(|rest| rest.split('"').next()) {
            assert_eq!(self.text.matches(&format!(" id=\"{label}\"")).count(), 1, "one field for {label}");
        }
    }
}

//! The API's document says what there is, all of it, and nothing else. That every answer is as it says, the harness
//! checks in all stories.

use std::collections::BTreeSet;

use agenthook::server::{HEALTH_ROUTES, ROUTES};
use serde_json::Value;

use crate::harness::{DOCUMENT, Server, agenthook, matches};

/// Every operation: its path, its method and itself.
fn operations() -> impl Iterator<Item = (&'static str, &'static str, &'static Value)> {
    let paths = DOCUMENT["paths"].as_object().expect("paths");
    paths.iter().flat_map(|(path, item)| {
        let item = item.as_object().expect("operations");
        item.iter().map(move |(method, operation)| (path.as_str(), method.as_str(), operation))
    })
}

#[test]
fn routes_and_document_name_the_same() {
    let served: BTreeSet<_> = [ROUTES, HEALTH_ROUTES]
        .concat()
        .into_iter()
        .flat_map(|(path, methods)| methods.iter().map(move |method| (path, *method)))
        .collect();
    let documented: BTreeSet<_> = operations().map(|(path, method, _)| (path, method)).collect();
    let only = |these: &BTreeSet<_>, those: &BTreeSet<_>| format!("{:?}", these - those);
    assert_eq!(only(&served, &documented), "{}", "served and not documented");
    assert_eq!(only(&documented, &served), "{}", "documented and not served");
}

#[test]
fn every_operation_says_what_it_is() {
    let mut ids = BTreeSet::new();
    for (path, method, operation) in operations() {
        let place = format!("{method} {path}");
        let text = |field: &str| operation[field].as_str().unwrap_or_default();
        assert!(ids.insert(text("operationId")), "{place}: its id is another's");
        assert!(!text("summary").is_empty() && !text("summary").ends_with('.'), "{place} needs a summary");
        let tag = operation["tags"][0].as_str().expect("a tag");
        let tags = DOCUMENT["tags"].as_array().expect("tags");
        assert!(tags.iter().any(|known| known["name"] == tag), "{place}: {tag} is not described");
        assert_eq!(
            operation.get("security").is_some(),
            path.starts_with("/api/") || path.starts_with("/webhook/")
        );
        for name in path.split('{').skip(1).filter_map(|rest| rest.split('}').next()) {
            let parameters = operation["parameters"].as_array().expect("parameters");
            assert!(
                parameters.iter().any(|known| known["name"] == name && known["in"] == "path"),
                "{place}: {name}"
            );
        }
        let answers = operation["responses"].as_object().expect("answers");
        assert!(answers.keys().any(|status| status.starts_with('2')), "{place} never succeeds");
        for (status, answer) in answers {
            let answer =
                answer["$ref"].as_str().map_or(answer, |name| DOCUMENT.pointer(&name[1..]).expect("there"));
            assert!(answer["headers"]["X-Request-Id"].is_object(), "{place} {status}");
            assert!(!answer["description"].as_str().expect("text").is_empty(), "{place} {status}");
        }
    }
}

#[test]
fn every_example_is_as_the_schema_says() {
    fn look(value: &'static Value, place: &str, seen: &mut usize) {
        match value {
            Value::Array(items) => items.iter().for_each(|item| look(item, place, seen)),
            Value::Object(fields) => {
                // A schema's own example stands in it; that of a body or a parameter beside it.
                let schema = fields.get("schema").unwrap_or(value);
                let many = fields.get("examples").and_then(Value::as_object);
                let examples = many.into_iter().flat_map(|many| many.values().map(|one| &one["value"]));
                for example in examples.chain(fields.get("example")) {
                    matches(schema, example, &format!("the example at {place}: {example}"));
                    *seen += 1;
                }
                for (name, field) in fields.iter().filter(|(name, _)| !name.starts_with("example")) {
                    look(field, &format!("{place}/{name}"), seen);
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    let mut seen = 0;
    look(&DOCUMENT, "", &mut seen);
    assert!(seen > 50, "the examples are found: {seen}");
    for (path, method, operation) in operations() {
        let Some(content) = operation["requestBody"]["content"].as_object() else { continue };
        for body in content.values() {
            let schema = body["schema"]["$ref"].as_str().and_then(|name| DOCUMENT.pointer(&name[1..]));
            let example = body.get("example").or(schema.and_then(|schema| schema.get("example")));
            assert!(example.is_some(), "{method} {path} shows no example of a request");
        }
    }
}

#[test]
fn every_reference_leads_somewhere_and_every_schema_is_used() {
    let text = DOCUMENT.to_string();
    let used: BTreeSet<_> =
        text.split("\"$ref\":\"#").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    for reference in &used {
        assert!(DOCUMENT.pointer(reference).is_some(), "{reference} leads nowhere");
    }
    for kind in ["schemas", "responses", "headers"] {
        for name in DOCUMENT["components"][kind].as_object().expect("components").keys() {
            let reference = format!("/components/{kind}/{name}");
            assert!(used.contains(reference.as_str()), "nothing uses {reference}");
        }
    }
}

#[test]
fn nothing_is_said_by_null() {
    fn look(value: &Value, place: &str) {
        match value {
            Value::Null => panic!("null at {place}"),
            Value::Array(items) => items.iter().for_each(|item| look(item, place)),
            // Here it is a value like any other.
            Value::Object(fields) => {
                for (name, field) in fields.iter().filter(|(name, _)| {
                    !["example", "examples", "default", "const", "enum"].contains(&name.as_str())
                }) {
                    look(field, &format!("{place}/{name}"));
                }
            }
            Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    look(&DOCUMENT, "");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_document_is_served_printed_and_shown_without_a_key() {
    let server = Server::start().await;
    let served = server.ask("GET", "/openapi.json", None, None).await;
    let printed =
        agenthook(server.database.dir.path()).args(["openapi", "--public-url", &server.url]).output();
    let printed = printed.expect("it runs").stdout;
    assert_eq!(served.body, serde_json::from_slice::<Value>(&printed).expect("JSON"));
    assert_eq!(served.body["openapi"], "3.1.0");
    let page = server.ask("GET", "/docs/", None, None).await;
    let policy = page.header("content-security-policy").to_owned();
    assert!(policy.starts_with("default-src 'none'; script-src 'self';"), "{policy}");
    let files: Vec<_> = page.text.split('"').filter(|text| text.starts_with('/')).collect();
    assert!(files.len() >= 5, "{}", page.text);
    for file in files {
        let answer = server.ask("GET", file, None, None).await;
        assert_eq!((answer.status, answer.header("x-content-type-options")), (200, "nosniff"), "{file}");
    }
    for none in ["index.html", "start.css", "..%2Fdocs", "swagger-initializer.js"] {
        assert_eq!(server.ask("GET", &format!("/docs/{none}"), None, None).await.status, 404, "{none}");
    }
    let scripts = page.text.split("<script").skip(1);
    assert!(
        scripts.clone().count() == 2 && scripts.clone().all(|tag| tag.contains("></script>")),
        "none is inline"
    );
}

//! The first page's numbers: the same as the API's, drawn and as a table.

use serde_json::Value;

use super::browser::Page;
use super::{Browser, Things};
use crate::harness::{ADMIN_KEY, Server, eventually};

/// How many runs ended.
fn ended(stats: &Value) -> i64 {
    ["success", "failed", "cancelled"].iter().filter_map(|how| stats["totals"][how].as_i64()).sum()
}

/// A row of the table, as the API says it.
fn row(sum: &Value) -> String {
    let number = |name: &str| sum[name].as_i64().expect("a number");
    let rate = sum["success_rate"].as_f64().expect("some ended") * 100.0;
    let percentile = |name: &str| {
        let ms = sum["latency_ms"][name].as_i64().expect("some ended");
        format!("<td data-label=\"{name}\">{ms} ms</td>")
    };
    format!(
        "<td data-label=\"Success\">{}</td><td data-label=\"Failed\">{}</td><td data-label=\"Cancelled\">{}</td>\
         <td data-label=\"Success rate\">{rate:.1} %</td>{}{}{}<td data-label=\"Tokens in\">{}</td>\
         <td data-label=\"Tokens out\">{}</td><td data-label=\"Cost\">${}</td>",
        number("success"),
        number("failed"),
        number("cancelled"),
        percentile("p50"),
        percentile("p95"),
        percentile("p99"),
        number("prompt_tokens"),
        number("completion_tokens"),
        format!("{:.9}", sum["cost_usd"].as_f64().expect("a cost")).trim_end_matches('0')
    )
}

/// Each drawing has a name that is on the page.
fn drawings_are_named(page: &Page) {
    let drawings: Vec<_> = page.text.split("<svg class=\"chart\"").skip(1).collect();
    assert_eq!(drawings.len(), 5, "{}", page.text);
    for drawing in drawings {
        let tag = drawing.split('>').next().expect("a tag");
        assert!(tag.contains(" viewBox=\"0 0 ") && tag.contains(" role=\"img\""), "<svg{tag}>");
        let names = tag.split("aria-labelledby=\"").nth(1).and_then(|rest| rest.split('"').next());
        for name in names.expect("a name").split(' ') {
            assert_eq!(page.text.matches(&format!(" id=\"{name}\"")).count(), 1, "{name}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn they_are_those_of_the_api_whoever_looks() {
    let server = Server::start().await;
    let things = Things::on(&server).await;
    server.llm.answers(crate::harness::completion("triaged"));
    let other = server.agent_with(serde_json::json!({"tenant_id": "other"})).await;
    for n in 0..3 {
        things.agent.run(&server, n.to_string()).await;
    }
    other.run(&server, "{}").await;
    let viewer = server.api_key("viewer", "acme").await;
    for (key, query, runs) in [
        (ADMIN_KEY, "window=1h", 5),
        (ADMIN_KEY, "window=24h&tenant_id=acme", 4),
        (ADMIN_KEY, "window=7d&tenant_id=other", 1),
        (&viewer, "window=30d", 4),
    ] {
        // A minute may end between the two answers.
        eventually("the page says what the API says", async || {
            let stats = server.ask("GET", &format!("/api/v1/stats?{query}"), Some(key), None).await.body;
            if ended(&stats) < runs {
                return None;
            }
            let page = Browser::signed_in(&server, key).await.sees(&format!("/?{query}")).await;
            drawings_are_named(&page);
            let buckets = stats["buckets"].as_array().expect("buckets").iter();
            let buckets: Vec<_> = buckets.filter(|bucket| !bucket["success_rate"].is_null()).collect();
            let rows = buckets.iter().all(|bucket| {
                let at = bucket["at"].as_str().expect("a time");
                page.has(&format!("<time datetime=\"{at}\">")) && page.has(&row(bucket))
            });
            (rows && page.has(&row(&stats["totals"])) && !buckets.is_empty()).then_some(())
        })
        .await;
    }
    let page = Browser::signed_in(&server, ADMIN_KEY).await.sees("/?window=7d&tenant_id=other").await;
    for part in [
        "href=\"/?window=1h&#38;tenant_id=other\">last hour</a>",
        "href=\"/?window=7d&#38;tenant_id=other\" aria-current=\"true\">last 7 days</a>",
        "Executions per 2 hours",
        "name=\"tenant_id\" value=\"other\"",
        "1 success, 0 failed, 0 cancelled",
        "no execution that came in since then has failed",
    ] {
        assert!(page.has(part), "{part}: {}", page.text);
    }
    assert!(!page.has(&things.execution_id) && !page.has(&things.agent.id), "{}", page.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_sees_what_another_tenants_runs_come_to() {
    let server = Server::start().await;
    let things = Things::on(&server).await;
    server.tenant(serde_json::json!({"tenant_id": "theirs"})).await;
    let stranger = Browser::signed_in(&server, &server.api_key("viewer", "theirs").await).await;
    for query in ["", "?tenant_id=acme", "?tenant_id=theirs&window=30d"] {
        let page = stranger.sees(&format!("/{query}")).await;
        assert!(page.has("0 success, 0 failed, 0 cancelled"), "{query}: {}", page.text);
        assert!(page.has("None yet") && !page.has(&things.execution_id) && !page.has("Triage"), "{query}");
        drawings_are_named(&page);
    }
    for wrong in ["window=2h", "tenant_id=a/b", "agent_id=x", "x=1"] {
        assert_eq!(stranger.get(&format!("/?{wrong}")).await.status, 422, "{wrong}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_is_counted_and_led_to() {
    let server = Server::without_worker().await;
    let agent = server.agent().await;
    for n in 0..3 {
        agent.accepted(n.to_string()).await;
    }
    let browser = Browser::signed_in(&server, ADMIN_KEY).await;
    let page = browser.sees("/").await;
    let link = "href=\"/executions?status=queued&amp;tenant_id=\">3</a>";
    assert!(page.has(link), "{}", page.text);
    assert!(!page.has("none waits"), "{}", page.text);
    let queued = browser.sees("/executions?status=queued&tenant_id=").await;
    assert_eq!(queued.text.matches("data-label=\"Execution\"").count(), 3);
}

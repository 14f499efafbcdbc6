//! What is signed is what is stored, and what is no JSON is refused: both whatever the bytes are.

use agenthook::model::ExecutionId;
use wiremock::ResponseTemplate;

use crate::harness::completion;

use super::*;

/// The bytes of an accepted webhook as they were stored.
async fn stored(server: &Server, execution_id: &str) -> Vec<u8> {
    let id: ExecutionId = execution_id.parse().expect("an id");
    server.app.store.trace(id).await.expect("reads").expect("is there").payload
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_are_stored_byte_for_byte() {
    let server = Server::start().await;
    let agent = server.agent().await;
    let bodies: Vec<Vec<u8>> = [
        "{ \"a\" : 1 ,\t\"b\":[ ] }",
        "{\r\n  \"a\": 1\r\n}\r\n",
        "\u{FEFF}{\"bom\":true}",
        "{\"newline\":true}\n",
        "  [1]  ",
        "{\"emoji\":\"🦀👩‍👩‍👧\"}",
        "{\"escaped\":\"\\ud83e\\udd80\\u00e9\\/\"}",
        "{\"separators\":\"\u{2028}\u{2029}\"}",
        "{\"n\":[1.0,1e2,1E+2,-0,0.10,12345678901234567890123,1.7976931348623157e308]}",
        "{\"a\":1,\"a\":{\"b\":2},\"a\":3}",
        "{\"nul\":\"\\u0000\",\"\\u0000\":1}",
        "{\"$serde_json::private::RawValue\":\"[1,2]\"}",
        "\"text\"",
        "17",
        "null",
        "true",
        "{}",
    ]
    .map(|body| body.as_bytes().to_vec())
    .into();
    for body in &bodies {
        let answer = agent.post(body).await;
        assert_eq!(answer.status, 202, "{}: {}", String::from_utf8_lossy(body), answer.text);
        let id = answer.execution_id();
        assert_eq!(&stored(&server, &id).await, body);
        let trace = server.ended(&id).await;
        assert_eq!(trace["status"], "success", "{trace}");
    }
    assert_eq!(server.executions().await.len(), bodies.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_acceptable_json_is_400() {
    let server = Server::start().await;
    let agent = server.agent().await;
    let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
    let members = |count: usize| format!("[{}]", vec!["1"; count].join(","));
    let refused: Vec<(&str, Vec<u8>)> = vec![
        ("nothing", vec![]),
        ("white space", b" \r\n".to_vec()),
        ("a byte order mark", b"\xEF\xBB\xBF".to_vec()),
        ("no UTF-8", b"{\"a\":\"SECRET\xFF\"}".to_vec()),
        ("half a character", b"\"SECRET\xC3\"".to_vec()),
        ("UTF-16", b"\xFF\xFE{\0}\0".to_vec()),
        ("a surrogate in UTF-8", b"\"\xED\xA0\x80\"".to_vec()),
        ("a lone surrogate", br#""SECRET\ud800""#.to_vec()),
        ("a lone low surrogate", br#"["\udc00"]"#.to_vec()),
        ("a surrogate and a letter", br#""\ud800a""#.to_vec()),
        ("1e400", b"1e400".to_vec()),
        ("-1e400", b"{\"a\":-1e400}".to_vec()),
        ("400 digits", vec![b'9'; 400]),
        ("NaN", b"[NaN]".to_vec()),
        ("a form", b"SECRET=1".to_vec()),
        ("XML", b"<SECRET/>".to_vec()),
        ("two documents", b"{}{}".to_vec()),
        ("half a document", b"{\"SECRET\":".to_vec()),
        ("a NUL", b"{}\0".to_vec()),
        ("128 levels", nested(128).into_bytes()),
        ("128 levels of objects", ("{\"a\":".repeat(128) + "1" + &"}".repeat(128)).into_bytes()),
        ("100,000 levels", nested(100_000).into_bytes()),
        ("100,000 levels, open", "[".repeat(100_000).into_bytes()),
        ("100,001 elements", members(100_001).into_bytes()),
    ];
    for (what, body) in refused {
        let answer = agent.post(&body).await;
        assert_eq!(
            (answer.status, &answer.body["code"]),
            (400, &json!("malformed_json")),
            "{what}: {}",
            answer.text
        );
        assert!(!answer.text.contains("SECRET"), "{what}: {}", answer.text);
    }
    assert!(server.executions().await.is_empty());
    for body in [nested(127), members(100_000)] {
        assert_eq!(agent.post(&body).await.status, 202);
    }
    is_well(&server, &agent).await;
}

/// A schema, too, meets every body: the order of the checks does not let one through.
#[tokio::test(flavor = "multi_thread")]
async fn a_mismatch_is_422_and_tells_no_values() {
    let server = Server::start().await;
    let schema = json!({"type": "object", "required": ["ticket_id"], "additionalProperties": false,
        "properties": {"ticket_id": {"type": "string", "pattern": "^TKT-"}, "n": {"maximum": 5}}});
    let trigger = json!({"type": "webhook", "payload_schema": schema});
    let agent = server.agent_with(json!({"trigger": trigger})).await;
    let answer = agent.post(br#"{"ticket_id":"SECRET","SECRET":1,"n":6}"#).await;
    assert_eq!((answer.status, &answer.body["code"]), (422, &json!("schema_mismatch")), "{}", answer.text);
    assert!(!answer.text.contains("SECRET"), "{}", answer.text);
    let errors = answer.body["errors"].as_array().expect("errors");
    let mut schema_paths: Vec<_> = errors.iter().filter_map(|error| error["schema_path"].as_str()).collect();
    schema_paths.sort_unstable();
    assert_eq!(
        schema_paths,
        ["/additionalProperties", "/properties/n/maximum", "/properties/ticket_id/pattern"]
    );
    // the last of two equal names is the one that counts
    assert_eq!(agent.post(br#"{"ticket_id":1,"ticket_id":"TKT-1"}"#).await.status, 202);
    assert_eq!(agent.post(br#"{"ticket_id":"TKT-1","ticket_id":1}"#).await.status, 422);
    assert_eq!(server.executions().await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_odd_completion_ends_its_execution() {
    let server = Server::start().await;
    let agent = server
        .agent_with(json!({"retry": {"max_attempts": 1, "backoff": "exponential",
        "initial_delay_ms": 1, "max_delay_ms": 1}}))
        .await;
    server.llm.answers(completion("a\0b 🦀 \u{2028}"));
    let trace = server.ended(&agent.post(b"[1]").await.execution_id()).await;
    assert_eq!((&trace["status"], &trace["output"]), (&json!("success"), &json!("a\u{FFFD}b 🦀 \u{2028}")));
    let raw = |bytes: &[u8]| ResponseTemplate::new(200).set_body_raw(bytes.to_vec(), "application/json");
    let with = |content: &[u8]| {
        [br#"{"choices":[{"message":{"role":"assistant","content":"#, content, b"}}]}"].concat()
    };
    let bodies = [
        Vec::new(),
        b"null".to_vec(),
        with(b"\"\xFF\xFE\""),
        with(br#""\ud800""#),
        with(b"1e400"),
        with(("[".repeat(100_000) + &"]".repeat(100_000)).as_bytes()),
        "[".repeat(100_000).into_bytes(),
        format!("{{{}}}", (0..1_000_000).map(|i| format!("\"{i}\":0")).collect::<Vec<_>>().join(","))
            .into_bytes(),
        with(br#""\u0000""#),
    ];
    for (round, body) in bodies.iter().enumerate() {
        server.llm.answers(raw(body));
        let id = agent.post(format!("[{round}, 2]")).await.execution_id();
        let trace = server.ended(&id).await;
        let status = trace["status"].as_str().expect("a status");
        assert!(status == "success" || !trace["error"]["code"].is_null(), "{trace}");
        assert_ne!(trace["error"]["code"], "crashed", "{trace}");
    }
    server.llm.answers(completion("triaged"));
    is_well(&server, &agent).await;
}

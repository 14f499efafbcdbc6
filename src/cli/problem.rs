//! What the server's problem documents (RFC 9457) say, for people.

use serde_json::Value;

/// A refused request in one line: what the problem document says, field by field; and where more about it is to be
/// read, unless the fields say it all.
pub(super) fn refusal(status: u16, text: &str) -> String {
    let problem: Value = serde_json::from_str(text).unwrap_or_default();
    let word = |pointer| problem.pointer(pointer).and_then(Value::as_str);
    let code = word("/code").or_else(|| word("/error"));
    let detail = word("/detail").or_else(|| word("/title"));
    let mut line = match (code, detail) {
        (Some(code), Some(detail)) => format!("{status} {code}: {detail}"),
        (Some(one), None) | (None, Some(one)) => format!("{status} {one}"),
        (None, None) => format!("the server answered {status} without saying why"),
    };
    for fault in problem.pointer("/errors").and_then(Value::as_array).into_iter().flatten() {
        let place = ["/instance_path", "/pointer", "/path"].iter().find_map(|p| fault.pointer(p)?.as_str());
        let message = fault.pointer("/message").and_then(Value::as_str).unwrap_or("is wrong");
        // the detail of a single fault says it already
        if !line.contains(message) {
            line.push_str(&format!("; {}: {message}", place.filter(|p| !p.is_empty()).unwrap_or("/")));
        }
    }
    if let Some(request) = word("/request_id") {
        line.push_str(&format!(" (request {request})"));
    }
    let page = word("/type").filter(|page| page.starts_with("http://") || page.starts_with("https://"));
    if let Some(page) = page.filter(|_| problem.get("errors").is_none()) {
        line.push_str(&format!("\n  see {page}"));
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_is_one_readable_line() {
        let problem = r#"{"type":"about:blank","title":"Unprocessable","status":422,"code":"invalid_agent",
            "detail":"the agent cannot be saved","request_id":"0198","errors":[
            {"instance_path":"/llm_config/model","message":"must be a model"},{"instance_path":"","message":"odd"}]}"#;
        assert_eq!(
            refusal(422, problem),
            "422 invalid_agent: the agent cannot be saved; /llm_config/model: must be a model; /: odd (request 0198)"
        );
        let told =
            r#"{"code":"c","detail":"/a must be b","errors":[{"pointer":"/a","message":"must be b"}]}"#;
        assert_eq!(refusal(422, told), "422 c: /a must be b");
        assert_eq!(refusal(401, r#"{"error":"Invalid signature"}"#), "401 Invalid signature");
        let page = r#"{"type":"https://hooks.example.com/errors/conflict","code":"conflict","detail":"it is taken"}"#;
        let line = "409 conflict: it is taken\n  see https://hooks.example.com/errors/conflict";
        assert_eq!(refusal(409, page), line);
        assert_eq!(refusal(502, "<html>"), "the server answered 502 without saying why");
    }
}

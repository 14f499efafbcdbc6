//! What a 200 means, whole as it is.

use super::*;

#[tokio::test]
async fn an_answer_is_read_with_all_it_reports() {
    let template = ResponseTemplate::new(200)
        .insert_header("x-litellm-response-cost", "0.0002832")
        .insert_header("x-litellm-call-id", "theirs")
        .set_body_json(good());
    let completion = answered(template).await.expect("an answer");
    let usage = Usage {
        prompt_tokens: 1200,
        completion_tokens: 300,
        total_tokens: 1500,
        cached_tokens: 1024,
        reasoning_tokens: 256,
    };
    let expected = Completion {
        output: "hi\u{FFFD}".to_owned(),
        finish_reason: Some("stop".to_owned()),
        usage: Some(usage),
        cost: Some(Cost(283_200)),
        call_id: "theirs".to_owned(),
        model: Some("gpt-4o-mini".to_owned()),
        status: 200,
    };
    assert_eq!(completion, expected);
}

#[tokio::test]
async fn everything_but_the_text_may_be_missing_or_absurd() {
    let choices = json!([{"message": {"content": "ok"}}]);
    let bare = answered(ResponseTemplate::new(200).set_body_json(json!({"choices": choices}))).await;
    let bare = bare.expect("an answer");
    assert_eq!((bare.output.as_str(), bare.usage, bare.cost, bare.model), ("ok", None, None, None));
    assert_eq!(bare.call_id, format!("{EXECUTION}-2"));

    for (usage, tokens) in [
        (json!([1]), None),
        (json!({}), None),
        (json!({"prompt_tokens": "many"}), None),
        (json!({"prompt_tokens": -5, "completion_tokens": 7.0}), Some((0, 7, 7))),
        (json!({"total_tokens": 1e300}), Some((0, 0, 1_000_000_000))),
        (json!({"prompt_tokens": u64::MAX, "total_tokens": 3}), Some((1_000_000_000, 0, 3))),
    ] {
        let body = json!({"choices": choices, "usage": usage, "model": 7});
        let completion = answered(ResponseTemplate::new(200).set_body_json(body)).await.expect("an answer");
        let seen = completion.usage.map(|u| (u.prompt_tokens, u.completion_tokens, u.total_tokens));
        assert_eq!(seen, tokens, "{usage}");
    }
    for cost in ["", "free", "-0.1", "NaN", "inf", "1e300", "None"] {
        let template = ResponseTemplate::new(200).insert_header("x-litellm-response-cost", cost);
        assert_eq!(answered(template.set_body_json(good())).await.expect("an answer").cost, None, "{cost}");
    }
}

#[tokio::test]
async fn an_answer_without_text_says_what_came_instead_and_what_it_cost() {
    let message = |message: Value| json!({"choices": [{"message": message}], "usage": good()["usage"]});
    let tool = json!([{"id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{}"}}]);
    for (body, says) in [
        (json!({}), "no list of choices"),
        (json!([]), "no list of choices"),
        (json!({"choices": "x"}), "no list of choices"),
        (json!({"choices": []}), "no choices"),
        (json!({"choices": [7]}), "no message"),
        (message(json!({"content": null})), "without any text"),
        (message(json!({})), "without any text"),
        (message(json!({"content": ["x"]})), "no text"),
        (message(json!({"content": 7})), "no text"),
        (message(json!({"content": null, "refusal": "I will not"})), "refused"),
        (message(json!({"content": null, "tool_calls": tool})), "tool call"),
        (message(json!({"content": "", "tool_calls": tool})), "tool call"),
        (json!({"choices": [{"message": {"content": null}, "finish_reason": "length"}]}), "max_tokens"),
        (json!({"choices": [{"message": {"content": null}, "finish_reason": "content_filter"}]}), "filter"),
    ] {
        let template = ResponseTemplate::new(200).insert_header("x-litellm-response-cost", "0.5");
        let error = answered(template.set_body_json(&body)).await.expect_err("no text");
        assert_eq!((error.code, error.retryable), (ErrorCode::LlmInvalidResponse, false), "{body}");
        assert!(error.message.contains(says), "{body}: {}", error.message);
        let billed = error.billed.expect("what it cost");
        assert_eq!(billed.cost, Some(Cost(500_000_000)));
        assert_eq!(billed.usage.is_some(), body.get("usage").is_some());
    }
    let empty = answered(ResponseTemplate::new(200).set_body_json(message(json!({"content": ""})))).await;
    assert_eq!(empty.expect("an empty text is a text").output, "");
}

#[tokio::test]
async fn what_is_no_json_is_no_success() {
    for body in ["<html>Log in</html>", "", "\"hi\" there", "{\"choices\": tru}", "\u{FEFF}{}"] {
        let error = answered(ResponseTemplate::new(200).set_body_string(body)).await.expect_err("no JSON");
        assert_eq!((error.code, error.retryable), (ErrorCode::LlmInvalidResponse, true), "{body}");
    }
    let deep = "[".repeat(9_000);
    let error = answered(ResponseTemplate::new(200).set_body_string(deep)).await.expect_err("no JSON");
    assert_eq!(error.code, ErrorCode::LlmInvalidResponse);
}

//! What became of hooks, and what is done to it by hand.

use serde_json::json;

use super::TICKET;
use crate::harness::{Server, User, completion, error, parsed};

#[tokio::test(flavor = "multi_thread")]
async fn from_a_tenant_to_a_trace_by_hand() {
    let server = Server::start().await;
    let user = User::of(&server);
    assert!(user.run(&["tenant", "create", "acme", "--name", "Acme Ltd"]).await.good().contains("Acme Ltd"));

    let create = ["agent", "create", "--tenant", "acme", "--name", "Triage", "--model", "gpt-4o-mini"];
    let created = user.run(&[&create[..], &["--secret-encoding", "utf8"]].concat()).await.good();
    let next = created.lines().last().expect("a next step").trim();
    assert!(next.starts_with("printf ") && next.ends_with(" --wait -"), "{created}");
    let trace = user.paste(next).await.good();
    for part in
        ["status     success", "53: 41 prompt + 12 completion", "$0.0000133", TICKET, "output\ntriaged"]
    {
        assert!(trace.contains(part), "{part}:\n{trace}");
    }

    let list = user.run(&["executions", "list"]).await.good();
    assert_eq!(list.lines().count(), 2, "{list}");
    assert!(list.contains("success") && list.contains("acme"), "{list}");
    let id = server.executions().await[0]["execution_id"].as_str().expect("an id").to_owned();
    assert_eq!(user.run(&["executions", "show", &id]).await.good(), trace);
    let shown = parsed(&user.run(&["executions", "show", &id, "--json"]).await.good());
    assert_eq!(shown, server.get(&format!("/api/v1/executions/{id}")).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_execution_ends_the_wait_with_1() {
    let server = Server::start().await;
    let agent = server.agent().await;
    server.llm.answers(error(400, "invalid_request_error", "Invalid model name passed in model=gpt-4o-mini"));
    let user = User::of(&server).with("AGENTHOOK_SECRET", &agent.secret);
    let run = user.run_with(&["send", "--agent", &agent.id, "--wait", "-"], TICKET.as_bytes()).await;
    assert_eq!(run.code, 1, "{run:?}");
    assert!(run.out.contains("status     failed") && run.out.contains("llm_no_deployment: "), "{}", run.out);
    let failed = user.run(&["executions", "list", "--status", "failed", "--agent", &agent.id]).await.good();
    assert!(failed.contains("llm_no_deployment"), "{failed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_page_by_page_and_whole() {
    let server = Server::start().await;
    let agent = server.agent().await;
    let mut ids = Vec::new();
    for n in 0..5 {
        ids.push(agent.post(format!(r#"{{"n":{n}}}"#)).await.execution_id());
    }
    ids.reverse();
    let user = User::of(&server);
    let listed = |text: &str| -> Vec<String> {
        let page = parsed(text);
        let items = page["executions"].as_array().expect("a list").iter();
        items.map(|item| item["execution_id"].as_str().expect("an id").to_owned()).collect()
    };
    let list = ["executions", "list", "--json", "--limit", "2"];
    let first = user.run(&list).await.good();
    assert_eq!(listed(&first), ids[..2]);
    let cursor = parsed(&first)["next_cursor"].as_str().expect("a cursor").to_owned();
    assert_eq!(listed(&user.run(&[&list[..], &["--cursor", &cursor]].concat()).await.good()), ids[2..4]);
    assert_eq!(listed(&user.run(&[&list[..], &["--all"]].concat()).await.good()), ids);
    // the way on is told apart from the rows, which may go into a pipe
    let table = user.run(&["executions", "list", "--limit", "2"]).await;
    assert!(table.err.contains("--cursor") && !table.out.contains("--cursor"), "{table:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_done_to_an_execution_by_hand() {
    let server = Server::without_worker().await;
    let user = User::of(&server);
    let agent = server.agent_with(json!({"retry": {"max_attempts": 1}})).await;
    let [first, second] = [agent.accepted(r#"{"town":"Ulm"}"#).await, agent.accepted("2").await];
    let run = async |args: &[&str]| user.run(&[&["executions"], args].concat()).await;

    assert!(run(&["cancel", &second]).await.good().contains(&second));
    let refused = run(&["cancel", &second]).await.complaint(1);
    assert!(refused.contains("was cancelled before"), "{refused}");
    let cancelled = run(&["list", "--status", "cancelled"]).await.good();
    assert!(cancelled.contains(&second) && !cancelled.contains(&first), "{cancelled}");
    assert!(run(&["list", "--status", "held"]).await.err.contains("no executions"));
    let found =
        run(&["list", "--q", "ULM", "--from", "2020-01-01T00:00:00Z", "--to", "2100-01-01T00:00:00Z"])
            .await
            .good();
    assert!(found.contains(&first) && !found.contains(&second), "{found}");
    assert!(run(&["list", "--q", "ulm", "--to", "2020-01-01T00:00:00Z"]).await.err.contains("no executions"));

    server.llm.answers(error(400, "invalid_request_error", "no"));
    server.start_worker();
    server.ended(&first).await;
    let failed = run(&["retry", &first, "--wait"]).await;
    assert_eq!(failed.code, 1, "{failed:?}");
    for part in ["status     failed", "run        2", "2 (run 2)", "retried", "run 2 was asked for"] {
        assert!(failed.out.contains(part), "{part}: {}", failed.out);
    }
    server.llm.answers(completion("fine"));
    let retried = parsed(&run(&["retry", &first, "--json"]).await.good());
    assert_eq!(retried, json!({"execution_id": first, "run": 3, "status": "queued"}));
    server.ended(&first).await;
    assert!(run(&["retry", &first]).await.complaint(1).contains("replay it instead"));
    let replayed = run(&["replay", &first, "--agent-version", "1", "--wait"]).await.good();
    assert!(
        replayed.contains(&format!("replay of  {first}")) && replayed.contains("status     success"),
        "{replayed}"
    );
    let unknown = run(&["replay", &first, "--agent-version", "9"]).await.complaint(1);
    assert!(unknown.contains("agent_version"), "{unknown}");
    let told = run(&["timeline", &first]).await.good();
    let events: Vec<_> = told.lines().skip(1).filter_map(|line| line.split_whitespace().nth(2)).collect();
    assert_eq!(
        (events[0], events.last(), told.matches("retried").count()),
        ("received", Some(&"replayed"), 2),
        "{told}"
    );
    let told = parsed(&run(&["timeline", &first, "--json"]).await.good());
    assert_eq!(told, server.get(&format!("/api/v1/executions/{first}/timeline")).await);
}

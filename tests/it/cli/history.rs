//! How executions go, and all of them as a file.

use crate::harness::{Server, User, completion, eventually, parsed};

#[tokio::test(flavor = "multi_thread")]
async fn how_executions_go() {
    let server = Server::start().await;
    let user = User::of(&server);
    let agent = server.agent().await;
    agent.run(&server, "{}").await;
    eventually("it is counted", async || {
        let text = user.run(&["stats", "--window", "1h", "--json"]).await.good();
        (parsed(&text)["totals"]["success"] == 1).then_some(())
    })
    .await;
    let page = user.run(&["stats", "--agent", &agent.id, "--tenant", "acme"]).await.good();
    let row =
        |name: &str| page.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("{page}"));
    assert!(row("window").contains("24h, from 20"), "{page}");
    assert!(row("now").ends_with("0 queued, 0 running, 0 held"), "{page}");
    assert!(row("success ").contains("  1  ") && row("success ").ends_with('█'), "{page}");
    assert!(row("success rate").contains("100.0 %") && row("cost").contains("$0.0000133"), "{page}");
    assert!(!page.contains('\u{1b}'), "no colours in a pipe");
    let wrong = user.run(&["stats", "--window", "2h"]).await.complaint(2);
    assert!(wrong.contains("1h, 24h, 7d, 30d"), "{wrong}");
}

#[tokio::test(flavor = "multi_thread")]
async fn all_executions_as_a_file() {
    let server = Server::start().await;
    let user = User::of(&server);
    let agent = server.agent().await;
    for output in ["one", "=two"] {
        server.llm.answers(completion(output));
        agent.run(&server, format!("\"{output}\"")).await;
    }
    let lines = user.run(&["executions", "export", "--status", "success"]).await;
    assert_eq!(lines.err, "", "no progress in a pipe");
    let lines: Vec<_> = lines.good().lines().map(parsed).collect();
    assert_eq!((lines.len(), &lines[0]["output"]), (2, &"=two".into()));

    let file = server.database.dir.path().join("export.csv");
    let name = file.to_str().expect("text");
    let csv = ["executions", "export", "--format", "csv", "--output", name];
    let part = file.with_extension("csv.part");
    std::fs::write(&part, "mine").expect("a file");
    assert_eq!(user.run(&csv).await.good(), "");
    let text = std::fs::read_to_string(&file).expect("a file");
    assert!(text.starts_with("execution_id,tenant_id,") && text.contains(",'=two\r\n"), "{text}");
    let refused = user.run(&[&csv[..], &["--from", "yesterday"]].concat()).await.complaint(1);
    assert!(refused.contains("from"), "{refused}");
    assert_eq!(std::fs::read_to_string(&file).expect("a file"), text, "what was there is left alone");

    let id = lines[1]["execution_id"].as_str().expect("an id").parse().expect("an id");
    let id = server.database.id(id);
    server.database.sql(&format!("UPDATE executions SET source = 'dream' WHERE execution_id = {id}")).await;
    user.run(&csv).await.complaint(1);
    let beside = std::fs::read_dir(server.database.dir.path()).expect("a directory");
    let names = beside.map(|entry| entry.expect("an entry").file_name().into_string().expect("text"));
    let mut names: Vec<_> = names.filter(|name| name.starts_with("export")).collect();
    names.sort();
    assert_eq!(names, ["export.csv", "export.csv.part"], "nothing is left behind");
    assert_eq!(std::fs::read_to_string(&part).expect("a file"), "mine", "somebody else's file is left alone");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_left_of_a_long_work_is_said() {
    let server = Server::without_worker().await;
    let user = User::of(&server);
    let agent = server.agent().await;
    for n in 0..3 {
        agent.accepted(n.to_string()).await;
    }
    let bulk =
        ["executions", "bulk", "cancel", "--agent", &agent.id, "--status", "queued", "--yes", "--wait"];
    let cancelled = user.run(&bulk).await;
    assert!(cancelled.out.contains("cancel of 3 begun"), "{cancelled:?}");
    assert_eq!(cancelled.err.lines().last(), Some("0 left"), "{cancelled:?}");
    let webhook =
        serde_json::json!({"tenant_id": "acme", "url": "http://127.0.0.1:9/", "events": ["custom.*"]});
    let webhook = server.expect(201, "POST", "/api/v1/webhooks", Some(webhook)).await;
    let webhook_id = webhook["webhook_id"].as_str().expect("an id");
    let recover = ["webhooks", "recover", webhook_id, "--since", "2026-01-01T00:00:00Z", "--wait"];
    let recovered = user.run(&recover).await;
    assert_eq!((recovered.code, recovered.err.lines().last()), (0, Some("0 left")), "{recovered:?}");
}

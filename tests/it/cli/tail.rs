//! Executions while they happen, line by line.

use std::time::Duration;

use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStderr, ChildStdout};

use crate::harness::{ADMIN_KEY, Database, Fleet, ManyCalls, Server, User, eventually, parsed};

fn lines(child: &mut Child) -> (Lines<BufReader<ChildStdout>>, Lines<BufReader<ChildStderr>>) {
    let out = BufReader::new(child.stdout.take().expect("piped")).lines();
    (out, BufReader::new(child.stderr.take().expect("piped")).lines())
}

async fn is_there(server: &Server, count: usize) {
    eventually("it follows", async || (server.app.streams.count() == count).then_some(())).await;
}

async fn interrupted(child: &mut Child) -> Option<i32> {
    let id = child.id().expect("it runs").to_string();
    let sent = tokio::process::Command::new("kill").args(["-INT", &id]).status().await;
    assert!(sent.expect("kill").success());
    child.wait().await.expect("it ends").code()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_change_is_a_line_until_ctrl_c() {
    let server = Server::without_worker().await;
    let user = User::of(&server);
    let agent = server.agent().await;
    let mut tail = user.starts(&["executions", "tail", "--agent", &agent.id]);
    let mut json = user.starts(&["executions", "tail", "--status", "success", "--json"]);
    let ((mut out, _), (mut json_out, _)) = (lines(&mut tail), lines(&mut json));
    is_there(&server, 2).await;
    let id = agent.accepted("1").await;
    let line = out.next_line().await.expect("a line").expect("one");
    assert!(line.contains("  queued     ") && line.contains(&id) && line.ends_with("  acme"), "{line}");
    server.start_worker();
    let last = loop {
        let line = out.next_line().await.expect("a line").expect("one");
        if line.contains("success") {
            break line;
        }
    };
    assert!(last.contains(&id) && last.contains("  $0.0000133"), "{last}");
    assert!(!last.contains('\u{1b}'), "no colours in a pipe: {last}");
    let line = json_out.next_line().await.expect("a line").expect("one");
    assert_eq!(parsed(&line), server.executions().await[0]);
    for child in [&mut tail, &mut json] {
        assert_eq!(interrupted(child).await, Some(0));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn it_comes_back_and_misses_nothing() {
    let (database, llm) = (Database::create().await, ManyCalls::start(Duration::ZERO));
    let fleet = Fleet::on(&database.url, database.redis_url.as_deref(), llm);
    let server = fleet.serve().await;
    let agent = fleet.agent(&server).await;
    let user = User::nobody().with("AGENTHOOK_URL", &server.url).with("AGENTHOOK_API_KEY", ADMIN_KEY);
    let mut tail = user.starts(&["executions", "tail", "--status", "success"]);
    let (mut out, mut err) = lines(&mut tail);
    let (said, mut heard) = (tokio::sync::Notify::new(), Vec::new());
    let (first, listening) = tokio::join!(
        async {
            // It says nothing when it begins: something happens until it tells of it.
            let mut sent = Vec::new();
            while tokio::time::timeout(Duration::from_millis(300), said.notified()).await.is_err() {
                sent.push(agent.accepted(format!("{}", sent.len())).await);
            }
            sent
        },
        async {
            let line = out.next_line().await.expect("a line").expect("one");
            said.notify_one();
            line
        }
    );
    heard.push(listening);
    let last = first.last().expect("one was sent").clone();
    while !heard.last().is_some_and(|line| line.contains(&last)) {
        heard.push(out.next_line().await.expect("a line").expect("one"));
    }
    server.kill_9();
    let told = err.next_line().await.expect("a line").expect("one");
    assert!(told.contains("connecting again in 1 s"), "{told}");
    let server = fleet.again(&server).await;
    let second = agent.accepted("\"again\"").await;
    while !heard.last().is_some_and(|line| line.contains(&second)) {
        heard.push(out.next_line().await.expect("a line").expect("one"));
    }
    let mut once = heard.clone();
    once.sort_unstable();
    once.dedup();
    assert_eq!(once.len(), heard.len(), "each change once: {heard:?}");
    assert!(server.has_ended().is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused_for_good_ends_it() {
    let server = Server::without_worker().await;
    let wrong = User::of(&server).with("AGENTHOOK_API_KEY", "ahk_wrong-key-0123456789abcdefghij");
    let refused = wrong.run(&["executions", "tail"]).await.complaint(1);
    assert!(refused.contains("valid API key"), "{refused}");
    let away = User::of(&server).with("AGENTHOOK_URL", "http://127.0.0.1:9");
    assert!(away.run(&["executions", "tail"]).await.complaint(1).contains("cannot reach"));

    server.agent().await;
    let key = server.key("viewer", "acme").await;
    let viewer = User::of(&server).with("AGENTHOOK_API_KEY", key["key"].as_str().expect("a key"));
    let tail = viewer.starts(&["executions", "tail"]);
    is_there(&server, 1).await;
    server
        .expect(204, "DELETE", &format!("/api/v1/keys/{}", key["key_id"].as_str().expect("an id")), None)
        .await;
    let ended = tail.wait_with_output().await.expect("it ends");
    assert_eq!(ended.status.code(), Some(1));
    let told = String::from_utf8(ended.stderr).expect("text");
    assert!(told.contains("connecting again") && told.contains("error: "), "{told}");
}

//! `agenthook rekey` beside servers that do not stop for it.

use std::process::Output;
use std::sync::Arc;
use std::time::Duration;

use agenthook::app::{Standing, llm_key_owner, rekey};
use agenthook::cipher::Cipher;
use agenthook::model::{Actor, AuditAction, AuditEntry, LlmKey, SealedKind, Tenant, TenantId, WebhookSecret};
use agenthook::store::{Resealed, Store};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::{NEW, OLD, first, on, ring, with};
use crate::callbacks::{HEADER, calling};
use crate::harness::{ADMIN_KEY, Agent, Database, Fleet, Load, ManyCalls, Member};

/// Enough for several batches.
const TENANTS: u64 = 320;

fn cipher(keys: &[&str]) -> Cipher {
    let keys: Vec<_> = keys.iter().map(|key| (*key).into()).collect();
    Cipher::new(&keys).expect("keys")
}

fn tenant(n: u64) -> Tenant {
    let now = agenthook::clock::Clock::system().now();
    Tenant {
        tenant_id: format!("tenant-{n}").parse().expect("an id"),
        version: 1,
        name: None,
        key_policy: Default::default(),
        fallback_on: vec![],
        allowed_models: None,
        rate_limit: None,
        concurrency: None,
        llm_key: None,
        created_at: now,
        updated_at: now,
    }
}

fn sealed(cipher: &Cipher, tenant_id: &TenantId, key: &str) -> LlmKey {
    LlmKey { sealed: cipher.seal(&llm_key_owner(tenant_id), &key.into()), hint: "sk-…".into() }
}

/// Many tenants with keys that were stored long ago.
async fn crowd(store: &Store) {
    let old = cipher(&[OLD]);
    for n in 0..TENANTS {
        let tenant = tenant(n);
        let note = |action| AuditEntry::new(Actor::server(), action, &tenant.tenant_id, tenant.created_at);
        store.insert_tenant(&tenant, &note(AuditAction::TenantCreated)).await.expect("stored");
        let key = sealed(&old, &tenant.tenant_id, &format!("sk-{n}"));
        let entry = note(AuditAction::LlmKeySet);
        let set = store.set_llm_key(&tenant.tenant_id, tenant.version, Some(&key), &entry);
        assert!(set.await.expect("stored"));
    }
}

/// Runs it as an operator does, beside everybody else.
async fn command(fleet: &Fleet, args: &[&str]) -> (Option<i32>, Value) {
    let mut command = fleet.command("rekey");
    command.args(args).arg("--json");
    let run: Output =
        tokio::task::spawn_blocking(move || command.output()).await.expect("ends").expect("runs");
    let said = String::from_utf8_lossy(&run.stderr).into_owned();
    let told = serde_json::from_slice(&run.stdout).unwrap_or_else(|_| panic!("{said}"));
    (run.status.code(), told)
}

/// An administrator who does not let up either: rotates an agent's secret and sends with the new one at once, and sets a
/// tenant's key. Ends with the last of both.
async fn change(fleet: &Fleet, agent: Agent, stop: CancellationToken) -> (Agent, String) {
    let (url, _) = agent.webhook_url.split_once("/webhook/").expect("a webhook URL");
    let url = url.to_owned();
    let ask = async |request: reqwest::RequestBuilder, body: Value| {
        let answer = request.bearer_auth(ADMIN_KEY).json(&body).send().await.expect("an answer");
        assert_eq!(answer.status(), 200);
        answer.json::<Value>().await.expect("JSON")
    };
    let (mut agent, mut key) = (agent, String::new());
    for n in 0.. {
        let rotate = format!("{url}/api/v1/agents/{}/webhook-secret/rotate", agent.id);
        let rotated = ask(fleet.http.post(rotate), json!({"overlap_seconds": 0})).await;
        agent = agent.with_secret(&rotated["webhook_secret"]);
        let answer = agent.post(n.to_string()).await;
        assert_eq!(answer.status, 202, "the secret that was given verifies: {}", answer.text);
        key = format!("sk-of-the-changing-tenant-{n}");
        ask(fleet.http.put(format!("{url}/api/v1/tenants/changing/llm-key")), json!({ "key": key })).await;
        if stop.is_cancelled() {
            break;
        }
    }
    (agent, key)
}

async fn members(fleet: &Fleet, database: &Database) -> Vec<Member> {
    match database.is_postgres() {
        true => vec![fleet.api().await, fleet.worker().await],
        false => vec![fleet.serve().await],
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_ring_is_turned_under_load_and_nothing_is_refused_or_lost() {
    let database = Arc::new(Database::create().await);
    let server = with(OLD, on(&database)).await;
    for tenant in ["acme", "changing"] {
        server.tenant(json!({"tenant_id": tenant, "key_policy": "tenant_only"})).await;
        server.set_llm_key(tenant, &format!("sk-of-{tenant}-under-the-old-key")).await;
    }
    let steady = server.agent().await;
    let changing = server.agent_with(json!({"tenant_id": "changing"})).await;
    crowd(&server.app.store).await;
    server.stop().await;

    let llm = ManyCalls::start(Duration::from_millis(20));
    let mut fleet = Fleet::on(&database.url, database.redis_url.as_deref(), llm);
    fleet.set("AGENTHOOK_ENCRYPTION_KEYS", &ring([NEW, OLD]));
    let running = members(&fleet, &database).await;
    let (code, told) = command(&fleet, &["--dry-run"]).await;
    assert_eq!((code, &told["rewritten"], &told["dry_run"]), (Some(0), &json!(0), &json!(true)), "{told}");
    assert_eq!(
        (&told["under_older_keys"], &told["under_no_key"]),
        (&json!(TENANTS + 4), &json!(0)),
        "{told}"
    );

    let (load, stop) = (Load::on(&steady.at(&running[0].url)), CancellationToken::new());
    let rekeying = async {
        load.accepts(10).await;
        let (code, told) = command(&fleet, &[]).await;
        assert_eq!(
            (code, &told["under_older_keys"], &told["closed"]),
            (Some(0), &json!(0), &json!([])),
            "{told}"
        );
        // What changed meanwhile was written by the servers, under the new key; a secret that was rotated during the
        // look may have been seen twice.
        assert!(told["under_first_key"].as_u64().is_some_and(|n| n >= TENANTS + 4), "{told}");
        assert!(told["rewritten"].as_u64().is_some_and(|n| n >= TENANTS), "{told}");
        load.accepts(10).await;
        stop.cancel();
    };
    let ((), (changed, last_key)) =
        tokio::join!(rekeying, change(&fleet, changing.at(&running[0].url), stop.clone()));
    let sent = load.end().await;
    assert_eq!((sent.refused.as_slice(), sent.unanswered), ([].as_slice(), 0), "nothing is refused");
    let tally = fleet.tally(&running[0], sent.accepted.clone()).await;
    tally.assert_all_succeeded();
    for id in &sent.accepted {
        assert_eq!(tally.trace(id)["key_source"], "tenant", "everybody could open the tenant's key");
    }
    let (code, told) = command(&fleet, &[]).await;
    assert_eq!((code, &told["rewritten"]), (Some(0), &json!(0)), "what is done is not done again: {told}");
    // Secrets that were rotated away are kept for a while, and re-encrypted too.
    let under_first = told["under_first_key"].as_u64().expect("a number");
    assert!(
        (TENANTS + 4..=TENANTS + 4 + WebhookSecret::MAX_RETIRED.unsigned_abs()).contains(&under_first),
        "{told}"
    );
    for member in &running {
        member.ends_well().await;
    }

    let server = with(NEW, on(&database)).await;
    let standing = Standing::of(&server.app.store, &server.app.cipher).await.expect("read");
    assert_eq!((standing.first, standing.older, standing.closed.len()), (under_first, 0, 0));
    assert_eq!(steady.through(&server).run(&server, r#""after""#).await["key_source"], "tenant");
    assert_eq!(changed.through(&server).run(&server, r#""after""#).await["key_source"], "tenant");
    assert_eq!(server.llm.keys().await, ["sk-of-acme-under-the-old-key", last_key.as_str()]);
    for n in [0, TENANTS / 2, TENANTS - 1] {
        let tenant = server.app.store.tenant(&tenant(n).tenant_id).await.expect("read").expect("there");
        let (owner, token) = (llm_key_owner(&tenant.tenant_id), tenant.llm_key.expect("a key").sealed);
        let key = server.app.cipher.open(&owner, &token).expect("opens");
        assert_eq!(secrecy::ExposeSecret::expose_secret(&key), format!("sk-{n}"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_changes_between_reading_and_writing_stays_as_it_was_changed() {
    let server = first(OLD).await;
    let (store, both) = (&server.app.store, cipher(&[NEW, OLD]));
    // An agent that calls back has an endpoint with a secret.
    let (agent, _) = calling(&server, json!(["127.0.0.1"])).await;
    server.set_llm_key("acme", "sk-before-0123456789").await;
    let callback = "http://127.0.0.1:9/done?token=planted";
    assert_eq!(agent.post_with("1", &[(HEADER, callback)]).await.status, 202);
    for kind in SealedKind::ALL {
        let rows = store.sealed_after(kind, None, 10).await.expect("read");
        let [row] = rows.as_slice() else { panic!("{rows:?}") };
        let token = both.reseal(&kind.owner(&row.id), &row.token).expect("opens").expect("is older");
        let change = [Resealed { row: row.clone(), token: token.clone() }];
        assert_eq!(store.reseal(kind, &change).await.expect("written"), 1);
        assert_eq!(
            store.reseal(kind, &change).await.expect("written"),
            0,
            "it is not what was read any more"
        );
        let rows = store.sealed_after(kind, None, 10).await.expect("read");
        assert_eq!(rows[0].token, token);
        assert!(store.sealed_after(kind, Some(&row.id), 10).await.expect("read").is_empty());
    }
    let changed = server.set_llm_key("acme", "sk-after-0123456789").await;
    let done = rekey(store, &both, |_, _| ()).await.expect("done");
    assert_eq!((done.rewritten, done.standing.first), (1, 5), "the tenant's new key, under the server's one");
    let shown = server.get("/api/v1/tenants/acme").await;
    assert_eq!(shown, changed, "nothing that is shown has changed");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_opens_with_no_key_is_named_and_the_rest_goes_on() {
    let database = Arc::new(Database::create().await);
    let server = with(OLD, on(&database)).await;
    server.agent().await;
    let before = server.stop().await;
    let server = with(NEW, before).await;
    let made = server.agent().await;
    server.set_llm_key("acme", "sk-under-the-new-key").await;
    let third = "dGhlLXRoaXJkLWtleS1vZi10aGUtcmluZy0zMi1ieXQ=";

    let llm = ManyCalls::start(Duration::ZERO);
    let mut fleet = Fleet::on(&database.url, None, llm);
    fleet.set("AGENTHOOK_ENCRYPTION_KEYS", &ring([third, NEW]));
    let (code, told) = command(&fleet, &["--dry-run"]).await;
    assert_eq!(
        (code, &told["under_older_keys"], &told["under_no_key"]),
        (Some(1), &json!(2), &json!(1)),
        "{told}"
    );
    let (code, told) = command(&fleet, &[]).await;
    assert_eq!(
        (code, &told["rewritten"], &told["under_first_key"]),
        (Some(1), &json!(2), &json!(2)),
        "{told}"
    );
    let [closed] = told["closed"].as_array().expect("a list").as_slice() else { panic!("{told}") };
    assert_eq!((&closed["kind"], &closed["reason"]), (&json!("webhook-secret"), &json!("no_key")), "{told}");
    assert!(closed["id"].as_str().is_some_and(|id| uuid::Uuid::try_parse(id).is_ok()), "{told}");

    // With the key that was missing, the rest follows.
    let mut fleet = Fleet::on(&database.url, None, fleet.llm.clone());
    fleet.set("AGENTHOOK_ENCRYPTION_KEYS", &format!("{third},{OLD}"));
    let (code, told) = command(&fleet, &[]).await;
    assert_eq!(
        (code, &told["rewritten"], &told["under_first_key"]),
        (Some(0), &json!(1), &json!(3)),
        "{told}"
    );
    let server = with(third, server.stop().await).await;
    assert_eq!(made.through(&server).post("1").await.status, 202);
}

#[tokio::test(flavor = "multi_thread")]
async fn it_makes_nothing_that_is_not_there() {
    let directory = tempfile::tempdir().expect("a directory");
    let run = |keys: Option<&str>| {
        let mut command = crate::harness::agenthook(directory.path());
        command.arg("rekey").envs(keys.map(|keys| ("AGENTHOOK_ENCRYPTION_KEYS", keys)));
        let run = command.output().expect("it runs");
        (run.status.code(), String::from_utf8_lossy(&run.stderr).into_owned())
    };
    let (code, said) = run(None);
    assert!(code == Some(2) && said.contains("AGENTHOOK_ENCRYPTION_KEYS: is not set"), "{said}");
    let (code, said) = run(Some(OLD));
    assert!(code == Some(1) && said.contains("DATABASE_URL: there is no"), "{said}");
    assert_eq!(std::fs::read_dir(directory.path()).expect("a directory").count(), 0);
}

//! Looking at a long history: pages and answers with a few thousand executions, and with a million more.
//!
//! Both fill every list's page, so that both show as much. A handful ran; the others are copies of one of them,
//! with ids and times of the last thirty days, because running so many would take minutes and show nothing more.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use sqlx::{Connection as _, PgConnection};

use crate::Outcome;
use crate::arguments::Scale;
use crate::deployment::{ADMIN_KEY, Deployment, Setup};
use crate::report::{count, milliseconds, percentile};
use crate::upstream::Upstream;
use crate::wire::Connection;

/// Executions that really run.
const HANDFUL: usize = 5;
/// Executions of the short history: of each kind more than a page shows.
const SHORT: usize = 3000;
/// After that time they have ended.
const PATIENCE: Duration = Duration::from_secs(30);
/// Each page is looked at so often; the median counts.
const LOOKS: usize = 21;

/// The id of version 7 and the time of copy `n`, of `$1` over thirty days before `$2`. Every fiftieth has failed.
const COPIES: &str = "copies AS (
    SELECT n, at, (lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0') || '7' || substr(md5(n::text), 1, 3)
        || 'a' || substr(md5(n::text), 4, 15))::uuid AS id
    FROM (SELECT n, date_trunc('milliseconds', $2 - interval '1 hour' - n * (interval '30 days' / $1)) AS at
        FROM generate_series(1, $1) AS n) AS times)";

/// A table whose row is copied.
struct Copied {
    table: &'static str,
    /// Which row, `r`.
    row: &'static str,
    /// The columns that differ from copy to copy, `c`.
    columns: &'static [(&'static str, &'static str)],
}

/// What one execution has.
const TABLES: [Copied; 4] = [
    Copied {
        table: "executions",
        row: "r.execution_id = (SELECT execution_id FROM executions WHERE status = 'success' ORDER BY execution_id LIMIT 1)",
        columns: &[
            ("execution_id", "c.id"),
            ("dedupe_key", "NULL"),
            ("request_id", "c.id"),
            ("status", "CASE WHEN c.n % 50 = 0 THEN 'failed' ELSE r.status END"),
            ("received_at", "c.at"),
            ("started_at", "c.at"),
            ("finished_at", "c.at + interval '1 second'"),
        ],
    },
    Copied {
        table: "attempts",
        row: "r.execution_id = (SELECT max(execution_id::text)::uuid FROM attempts)",
        columns: &[("execution_id", "c.id"), ("started_at", "c.at")],
    },
    Copied {
        table: "events",
        row: "r.event_id = (SELECT max(event_id::text)::uuid FROM events WHERE event_type = 'execution.completed')",
        columns: &[("event_id", "c.id"), ("execution_id", "c.id"), ("at", "c.at"), ("dispatched_at", "c.at")],
    },
    // Every stretch of time that a window shows has sums, as many as there are windows.
    Copied {
        table: "execution_stats",
        row: "c.n <= 100",
        columns: &[(
            "at",
            "r.at - c.n * CASE r.grain WHEN 'minute' THEN interval '1 minute'
                WHEN 'quarter_hour' THEN interval '15 minutes' WHEN 'two_hours' THEN interval '2 hours'
                ELSE interval '12 hours' END",
        )],
    },
];

/// One row per page.
pub async fn measure(setup: &Setup, scale: &Scale) -> Outcome<Vec<Vec<String>>> {
    if setup.postgres.is_none() || setup.redis.is_some() {
        return Err("this is about Postgres alone".into());
    }
    let upstream = Upstream::start(Some(Duration::ZERO)).await?;
    let litellm = ("LITELLM_BASE_URL", format!("http://{}", upstream.address));
    let mut deployment = Deployment::start(setup, &[litellm]).await?;
    deployment.send(HANDFUL, 1).await?;
    let begin = Instant::now();
    while deployment.has_any("queued").await? || deployment.has_any("running").await? {
        if begin.elapsed() > PATIENCE {
            return Err("the executions do not end".into());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    // Ends are added up a moment later.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let mut rows = Vec::new();
    let mut browser = Browser::sign_in(deployment.address).await?;
    let database = deployment.database_url().ok_or("no Postgres")?.to_owned();
    copy(&database, SHORT.min(scale.history)).await?;
    let few = browser.looks(&deployment).await?;
    eprintln!("  {} executions are copied", count(scale.history as f64));
    copy(&database, scale.history).await?;
    let many = browser.looks(&deployment).await?;
    for ((name, few), (_, many)) in few.into_iter().zip(many) {
        let ratio = many.as_secs_f64() / few.as_secs_f64();
        rows.push(vec![name, milliseconds(few), milliseconds(many), format!("{ratio:.2}")]);
    }
    Ok(rows)
}

/// Makes so many executions more.
async fn copy(database: &str, executions: usize) -> Outcome<()> {
    let mut connection = PgConnection::connect(database).await?;
    let now = agenthook::clock::Clock::system().now();
    for Copied { table, row, columns } in TABLES {
        let all =
            "SELECT column_name::text FROM information_schema.columns WHERE table_schema = current_schema()
            AND table_name = $1 ORDER BY ordinal_position";
        let names: Vec<String> = sqlx::query_scalar(all).bind(table).fetch_all(&mut connection).await?;
        let value = |name: &String| {
            let own = columns.iter().find(|(column, _)| column == name);
            own.map_or_else(|| format!("r.{name}"), |(_, value)| (*value).to_owned())
        };
        let (values, names) = (names.iter().map(value).collect::<Vec<_>>().join(", "), names.join(", "));
        let text = format!(
            "WITH {COPIES} INSERT INTO {table} ({names}) SELECT {values} FROM copies c, {table} r WHERE {row}
                ON CONFLICT DO NOTHING"
        );
        let copied = sqlx::query(sqlx::AssertSqlSafe(text)).bind(i32::try_from(executions)?).bind(now);
        copied.execute(&mut connection).await?;
    }
    // Autovacuum would do it a minute later.
    sqlx::query("VACUUM ANALYZE").execute(&mut connection).await?;
    Ok(connection.close().await?)
}

/// Somebody who looks.
struct Browser {
    address: SocketAddr,
    connection: Connection,
    cookie: String,
}

impl Browser {
    async fn sign_in(address: SocketAddr) -> Outcome<Self> {
        let mut connection = Connection::open(address).await?;
        let form = format!("key={ADMIN_KEY}&next=");
        let request = format!(
            "POST /sign-in HTTP/1.1\r\nHost: {address}\r\nOrigin: http://{address}\r\n\
             Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{form}",
            form.len()
        );
        let reply = connection.exchange(request.as_bytes()).await?;
        let head = String::from_utf8_lossy(reply.head).into_owned();
        let cookie = head.lines().find_map(|line| line.strip_prefix("set-cookie: ")?.split(';').next());
        let cookie = cookie.ok_or_else(|| format!("nobody is signed in: {head}"))?.to_owned();
        Ok(Self { address, connection, cookie })
    }

    /// What people look at, and how long each takes.
    async fn looks(&mut self, deployment: &Deployment) -> Outcome<Vec<(String, Duration)>> {
        let (agent, execution) = (&deployment.sender.agent_id, deployment.any_execution().await?);
        // The one before may have been idle for longer than the server keeps it.
        self.connection = Connection::open(self.address).await?;
        let now = agenthook::clock::Clock::system().now();
        let day = |back| (now - chrono::TimeDelta::days(back)).format("%Y-%m-%dT%H:%M").to_string();
        let pages = [
            ("the overview, 24 h", "/".to_owned()),
            ("the overview, 30 d", "/?window=30d".to_owned()),
            ("executions", "/executions".to_owned()),
            ("executions that failed", "/executions?status=failed".to_owned()),
            ("executions that wait", "/executions?status=queued".to_owned()),
            ("executions of a tenant", "/executions?tenant_id=bench".to_owned()),
            ("executions of an agent", format!("/executions?agent_id={agent}")),
            ("executions of an agent that failed", format!("/executions?agent_id={agent}&status=failed")),
            ("executions of a day", format!("/executions?from={}&to={}", day(9), day(8))),
            ("executions with a text that none has", "/executions?q=zanzibar".to_owned()),
            ("one execution", format!("/executions/{execution}")),
            ("an agent", format!("/agents/{agent}")),
            ("`GET /api/v1/executions`", "/api/v1/executions".to_owned()),
            ("`GET /api/v1/stats?window=30d`", "/api/v1/stats?window=30d".to_owned()),
        ];
        let mut looks = Vec::new();
        for (name, path) in pages {
            looks.push((name.to_owned(), self.looks_at(&path).await?));
        }
        Ok(looks)
    }

    async fn looks_at(&mut self, path: &str) -> Outcome<Duration> {
        let who = match path.starts_with("/api/") {
            true => format!("Authorization: Bearer {ADMIN_KEY}"),
            false => format!("Cookie: {}", self.cookie),
        };
        let request = format!("GET {path} HTTP/1.1\r\nHost: {}\r\n{who}\r\n\r\n", self.address);
        let mut times = Vec::new();
        for _ in 0..LOOKS {
            let begin = Instant::now();
            let reply = self.connection.exchange(request.as_bytes()).await?;
            if reply.status != 200 {
                return Err(format!("{path}: {}", reply.status).into());
            }
            times.push(begin.elapsed());
        }
        times.sort();
        Ok(percentile(&times, 0.5))
    }
}

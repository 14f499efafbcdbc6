//! What to measure, for how long, and on what.

use std::net::SocketAddr;
use std::time::Duration;

use crate::deployment::Setup;

/// Measures agenthook, and prints Markdown tables on standard output
#[derive(clap::Parser, Debug)]
#[command(name = "bench")]
pub struct Arguments {
    /// Seconds per phase
    #[arg(long, default_value_t = 5.0)]
    pub seconds: f64,
    /// Times that the bare server and agenthook take turns; the median counts
    #[arg(long, default_value_t = 3)]
    pub rounds: usize,
    /// Connections that send at once
    #[arg(long, default_value_t = 64)]
    pub connections: usize,
    /// 5,000 calls in flight as well, beside 2,000
    #[arg(long)]
    pub full: bool,
    /// Every phase, tiny: shows that the bench works, and measures nothing
    #[arg(long)]
    pub smoke: bool,
    /// Only these phases
    #[arg(long, value_enum, value_delimiter = ',')]
    pub only: Vec<Phase>,
    /// Only these databases
    #[arg(long, value_enum, value_delimiter = ',')]
    pub on: Vec<On>,
    /// A PostgreSQL server on which databases may be created; without it SQLite alone is measured
    #[arg(long, env = "AGENTHOOK_TEST_POSTGRES_URL", value_name = "URL", hide_env_values = true)]
    pub postgres_url: Option<String>,
    /// A Redis of its own, for the processes apart; without it they are measured without one
    #[arg(long, env = "AGENTHOOK_TEST_REDIS_URL", value_name = "URL", hide_env_values = true)]
    pub redis_url: Option<String>,
    /// Be the bare server
    #[arg(long, hide = true)]
    pub hello: Option<SocketAddr>,
    /// What `cargo bench` says and `cargo test` does not
    #[arg(long, hide = true)]
    bench: bool,
}

/// One kind of measurement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Phase {
    /// Doing nothing
    Idle,
    /// From the webhook to the LLM call
    Dispatch,
    /// Calls at once
    Flight,
    /// Storing webhooks
    Accept,
    /// Storing webhooks of an agent with a filter and rate limits
    Rules,
    /// Telling an endpoint of each
    Deliver,
    /// Looking at a million executions
    History,
}

/// Where the rows are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum On {
    /// One process on SQLite
    Sqlite,
    /// Two processes on Postgres
    Postgres,
    /// The same with Redis
    Redis,
}

/// How much of everything.
#[derive(Clone, Debug)]
#[allow(missing_docs, reason = "the names say it")]
pub struct Scale {
    pub span: Duration,
    pub rounds: usize,
    pub connections: usize,
    pub in_flight: Vec<usize>,
    pub history: usize,
}

impl Arguments {
    /// How much of everything.
    pub fn scale(&self) -> Scale {
        // `cargo test --all-targets` wants to know whether it runs, not how fast.
        if self.is_smoke() {
            return Scale {
                span: Duration::from_millis(300),
                rounds: 1,
                connections: 8,
                in_flight: vec![20],
                history: 500,
            };
        }
        let in_flight = if self.full { vec![2000, 5000] } else { vec![2000] };
        Scale {
            span: Duration::from_secs_f64(self.seconds),
            rounds: self.rounds,
            connections: self.connections,
            in_flight,
            history: 1_000_000,
        }
    }

    /// Whether nothing is to be measured really.
    pub fn is_smoke(&self) -> bool {
        self.smoke || !self.bench
    }

    /// Whether a phase is to be run.
    pub fn wants(&self, phase: Phase) -> bool {
        self.only.is_empty() || self.only.contains(&phase)
    }

    /// What is to be measured, as far as there are servers for it.
    pub fn setups(&self) -> Vec<Setup> {
        let given = |url: &Option<String>| url.clone().filter(|url| !url.is_empty());
        let (postgres, redis) = (given(&self.postgres_url), given(&self.redis_url));
        let wanted = |on: On| self.on.is_empty() || self.on.contains(&on);
        let mut setups = Vec::new();
        if wanted(On::Sqlite) {
            setups.push(Setup { name: "SQLite", postgres: None, redis: None });
        }
        if wanted(On::Postgres) && postgres.is_some() {
            setups.push(Setup { name: "Postgres", postgres: postgres.clone(), redis: None });
        }
        if wanted(On::Redis) && postgres.is_some() && redis.is_some() {
            setups.push(Setup { name: "Postgres + Redis", postgres: postgres.clone(), redis: redis.clone() });
        }
        if postgres.is_none() {
            eprintln!("Postgres is skipped: AGENTHOOK_TEST_POSTGRES_URL (--postgres-url) is not given");
        }
        if redis.is_none() {
            eprintln!("Redis is skipped: AGENTHOOK_TEST_REDIS_URL (--redis-url) is not given");
        }
        setups
    }
}

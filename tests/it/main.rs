//! The integration tests: one binary, a file per story, real parts.
//!
//! `AGENTHOOK_TEST_DB=sqlite|postgres` picks the database, and `AGENTHOOK_TEST_QUEUE=redis` adds Redis;
//! `scripts/test.sh` runs all three and starts what they need. One story: `./scripts/test.sh --services -- cargo test --test it webhook`.

mod harness;

mod agent_changes;
mod agent_versions;
mod answers;
mod api_keys;
mod audit;
mod calls;
mod cancel;
mod change_races;
mod cli;
mod cli_management;
mod crashes;
mod dedupe;
mod deployment;
mod docs;
mod encryption_keys;
mod error_pages;
mod examples;
mod execution_rights;
mod executions;
mod fairness;
mod first_start;
mod ingress_faults;
mod keys;
mod layers;
mod leases;
mod litellm;
mod llm_key_checks;
mod llm_keys;
mod management;
mod mass_assignment;
mod openapi;
mod process;
mod queue_redis;
mod replay;
mod retry;
mod revocation;
mod roles;
mod runs;
mod schema;
mod schemathesis;
mod search;
mod secrets_stay_secret;
mod signals;
mod takeover;
mod teamwork;
mod tenancy;
mod timeline;
mod trials;
mod two_processes;
mod webhook;
mod webhook_secrets;
mod wrong_keys;

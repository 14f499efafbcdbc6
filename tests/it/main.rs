//! The integration tests: one binary, a file per story, real parts.
//!
//! `AGENTHOOK_TEST_DB=sqlite|postgres` picks the database; `scripts/test.sh` runs both and starts what they
//! need. One story: `./scripts/test.sh --services -- cargo test --test it webhook`.

mod harness;

mod calls;
mod cli;
mod dedupe;
mod examples;
mod ingress_faults;
mod keys;
mod layers;
mod leases;
mod litellm;
mod process;
mod runs;
mod schema;
mod takeover;
mod webhook;

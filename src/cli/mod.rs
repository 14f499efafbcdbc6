//! The command line: one file per command.
//!
//! `tenant`, `agent`, `key`, `executions`, `stats`, `hits`, `webhooks`, `events`, `models` and `audit` talk to a running server over
//! its HTTP API, so they work from anywhere and see what every other client sees. `sign` and `verify` need nothing but the
//! bytes, and `listen` is a receiver of its own. Tables are for people and `--json` is for programs: it prints the server's
//! own JSON. Exit codes: 0 done, 1 a fault or a negative result, 2 wrong usage or a wrong setting, told in one line.

mod agent;
mod api;
mod api_key;
mod audit;
mod bulk;
mod completions;
mod curl;
mod doctor;
mod events;
mod execution_filter;
mod executions;
mod export;
mod failure;
mod hit_words;
mod hits;
mod input;
mod key;
mod limits;
mod listen;
mod models;
mod openapi;
mod output;
mod paging;
mod problem;
mod progress;
mod quickstart;
mod ready;
mod rekey;
mod send;
mod serve;
mod sign;
mod sse;
mod stats;
mod tail;
mod tenant;
mod timeline;
mod trace;
mod verify;
mod wait;
mod webhooks;

use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{Parser, Subcommand};

use failure::Failure;

/// Signed webhooks in, AI-agent runs in the middle.
#[derive(Parser)]
#[command(name = "agenthook", version, max_term_width = 100, arg_required_else_help = true)]
#[command(subcommand_help_heading = "Commands", disable_help_subcommand = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Quickstart(quickstart::Quickstart),
    Serve(Box<serve::Serve>),
    Api(Box<serve::Api>),
    Worker(Box<serve::Worker>),
    Migrate(Box<serve::Migrate>),
    Rekey(Box<rekey::Rekey>),
    Ready(ready::Ready),
    Tenant(tenant::Tenant),
    Agent(Box<agent::Agent>),
    Key(api_key::ApiKey),
    Executions(Box<executions::Executions>),
    Stats(stats::Stats),
    Hits(hits::Hits),
    Webhooks(webhooks::Webhooks),
    Events(events::Events),
    Models(models::Models),
    Audit(audit::Audit),
    Sign(sign::Sign),
    Verify(verify::Verify),
    Send(send::Send),
    Listen(Box<listen::Listen>),
    Doctor(Box<doctor::Doctor>),
    Openapi(openapi::OpenApi),
    Completions(completions::Completions),
}

/// Runs the command that the process was started with.
pub async fn run() -> ExitCode {
    let command = match Cli::try_parse() {
        Ok(cli) => cli.command,
        Err(error) => return usage(&error),
    };
    let outcome = match command {
        Command::Quickstart(command) => command.run().await,
        Command::Serve(command) => command.run().await,
        Command::Api(command) => command.run().await,
        Command::Worker(command) => command.run().await,
        Command::Migrate(command) => command.run().await,
        Command::Rekey(command) => command.run().await,
        Command::Ready(command) => command.run().await,
        Command::Tenant(command) => command.run().await,
        Command::Agent(command) => command.run().await,
        Command::Key(command) => command.run().await,
        Command::Executions(command) => command.run().await,
        Command::Stats(command) => command.run().await,
        Command::Hits(command) => command.run().await,
        Command::Webhooks(command) => command.run().await,
        Command::Events(command) => command.run().await,
        Command::Models(command) => command.run().await,
        Command::Audit(command) => command.run().await,
        Command::Sign(command) => command.run(),
        Command::Verify(command) => command.run(),
        Command::Send(command) => command.run().await,
        Command::Listen(command) => command.run().await,
        Command::Doctor(command) => command.run().await,
        Command::Openapi(command) => command.run(),
        Command::Completions(command) => command.run(),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

/// Help goes out as it is; everything else that clap finds becomes one line, like our own errors.
fn usage(error: &clap::Error) -> ExitCode {
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            // Nobody reads it any more if it cannot be written: `agenthook --help | head`.
            let _ = error.print();
            ExitCode::SUCCESS
        }
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            let _ = error.print();
            ExitCode::from(2)
        }
        _ => Failure::Usage(one_line(&error.to_string())).report(),
    }
}

/// The message of a clap error without its prefix, its usage and its line ends.
fn one_line(rendered: &str) -> String {
    let message = rendered.split("\nUsage:").next().unwrap_or_default();
    let message = message.split("\nFor more information").next().unwrap_or_default();
    let message = message.strip_prefix("error: ").unwrap_or(message);
    message.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_definition_is_sound_and_every_command_teaches() {
        Cli::command().debug_assert();
        fn check(command: &clap::Command) {
            let name = command.get_name();
            assert!(command.get_about().is_some(), "{name} has no help");
            if command.has_subcommands() {
                command.get_subcommands().for_each(check);
            } else {
                let example = command.get_after_help().map(ToString::to_string).unwrap_or_default();
                assert!(example.contains("agenthook "), "{name} shows no example");
            }
        }
        Cli::command().get_subcommands().for_each(check);
    }

    #[test]
    fn a_wrong_word_is_one_line() {
        let line = |args: &[&str]| {
            let error = Cli::try_parse_from(args).err().expect("wrong usage");
            one_line(&error.to_string())
        };
        let wrong = line(&["agenthook", "sign", "--scheme", "hup", "-"]);
        assert!(
            wrong.starts_with("invalid value 'hup' for '--scheme <SCHEME>' [possible values: hub, github, ")
        );
        assert!(wrong.contains("custom] tip: ") && wrong.contains("'hub'"), "{wrong}");
        assert_eq!(
            line(&["agenthook", "sign"]),
            "the following required arguments were not provided: <FILE>"
        );
        assert!(line(&["agenthook", "singe"]).starts_with("unrecognized subcommand 'singe' tip: "));
        assert!(
            line(&["agenthook", "agent", "show", "x"]).starts_with("invalid value 'x' for '<AGENT_ID>': ")
        );
    }
}

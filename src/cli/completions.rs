//! `agenthook completions`: what a shell has to know to complete our commands.

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use super::failure::Failure;
use super::output;

/// Print the completions of a shell
#[derive(Args)]
#[command(after_help = "\
Examples:
  agenthook completions bash > ~/.local/share/bash-completion/completions/agenthook
  agenthook completions zsh > ~/.zfunc/_agenthook        (with fpath+=~/.zfunc before compinit)
  agenthook completions fish > ~/.config/fish/completions/agenthook.fish")]
pub(super) struct Completions {
    /// The shell
    shell: Shell,
}

impl Completions {
    pub(super) fn run(self) -> Result<(), Failure> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut super::Cli::command(), "agenthook", &mut script);
        output::print(String::from_utf8_lossy(&script).trim_end())
    }
}

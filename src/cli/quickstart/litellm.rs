//! A LiteLLM proxy of our own: installed once into a virtual environment, started on a free port.
//!
//! The pinned requirements and the configuration are in the binary, so that it works wherever it is started.
//! The test command keeps its proxy at the same place, and each finds what the other has installed.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::cli::failure::Failure;

const REQUIREMENTS: &str = include_str!("../../../litellm/requirements.txt");
const CONFIG: &str = include_str!("../../../litellm/config.yaml");
/// The Pythons that the pinned requirements are for.
const PYTHONS: [&str; 6] = ["python3", "python3.14", "python3.13", "python3.12", "python3.11", "python3.10"];
/// Says whether LiteLLM can be installed with this Python.
const SUITS: &str = "import sys, venv, ensurepip; sys.exit(not (3, 10) <= sys.version_info < (3, 15))";

/// What the proxy may know of our environment: how to find programs, and the keys of its models' providers.
const KEPT: [&str; 5] = ["PATH", "HOME", "LANG", "OPENAI_API_KEY", "OLLAMA_API_BASE"];

#[allow(clippy::disallowed_methods, reason = "handed on to a child process, not read as a setting of ours")]
fn variable(name: &str) -> Option<std::ffi::OsString> {
    std::env::var_os(name)
}

/// The running proxy; it ends with this.
pub(super) struct Proxy {
    pub url: String,
    pub master_key: SecretString,
    child: Child,
    log: PathBuf,
}

impl Proxy {
    /// Installs what is missing and starts the proxy; it needs some seconds more until it answers.
    pub async fn start(dir: &Path) -> Result<Self, Failure> {
        let dir = std::path::absolute(dir)?;
        let environment = install(&dir).await?;
        let home = dir.join("quickstart");
        let (config, log) = (home.join("litellm.yaml"), home.join("litellm.log"));
        std::fs::write(&config, CONFIG)?;
        let output = std::fs::File::create(&log)?;
        let master_key: SecretString = format!("sk-{}", hex::encode(rand::random::<[u8; 16]>())).into();
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let mut command = Command::new(environment.join("bin/litellm"));
        command
            .args(["--host", "127.0.0.1", "--port", &port.to_string(), "--config"])
            .arg(&config)
            .current_dir(&home)
            // LiteLLM reads far more of the environment than it says: a DATABASE_URL that is ours would be its own.
            .env_clear()
            .envs(KEPT.iter().filter_map(|name| Some((name, variable(name)?))))
            .env("LITELLM_MASTER_KEY", master_key.expose_secret())
            .envs([("LITELLM_LOCAL_MODEL_COST_MAP", "True"), ("LITELLM_TELEMETRY", "False")])
            .envs([("NO_DOCS", "True"), ("DISABLE_ADMIN_UI", "True")])
            .stdin(Stdio::null())
            .stderr(output.try_clone()?)
            .stdout(output)
            // Ctrl-C is for us; the proxy ends when the runs that need it have ended.
            .process_group(0)
            .kill_on_drop(true);
        let child =
            command.spawn().map_err(|error| Failure::Fault(format!("LiteLLM cannot be started: {error}")))?;
        Ok(Self { url: format!("http://127.0.0.1:{port}"), master_key, child, log })
    }

    /// Fails with its last words if it has died.
    pub fn still_runs(&mut self) -> Result<(), Failure> {
        let Ok(Some(status)) = self.child.try_wait() else { return Ok(()) };
        let log = std::fs::read_to_string(&self.log).unwrap_or_default();
        let last = log.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("it said nothing");
        Err(Failure::Fault(format!(
            "LiteLLM ended ({status}): {last}; all of it is in {}",
            self.log.display()
        )))
    }
}

/// The virtual environment, made if it is not there. `.ready` is written last: what broke off is made anew.
async fn install(dir: &Path) -> Result<PathBuf, Failure> {
    let digest = hex::encode(Sha256::digest(REQUIREMENTS));
    let environment = dir.join(format!("litellm-{}", &digest[..12]));
    // The test command may be installing into the same place: one at a time. The lock ends with this function.
    let lock = std::fs::File::create(environment.with_extension("lock"))?;
    let _lock = tokio::task::spawn_blocking(move || lock.lock().map(|()| lock))
        .await
        .map_err(std::io::Error::other)??;
    if environment.join(".ready").exists() {
        return Ok(environment);
    }
    let python = find_python().await?;
    let requirements = dir.join("litellm-requirements.txt");
    std::fs::write(&requirements, REQUIREMENTS)?;
    if environment.exists() {
        std::fs::remove_dir_all(&environment)?;
    }
    let packages =
        REQUIREMENTS.lines().filter(|line| !line.starts_with('#') && line.contains("==")).count() as u64;
    let bar = ProgressBar::new(packages).with_style(style("{spinner} {msg} {wide_bar} {pos}/{len}"));
    bar.enable_steady_tick(Duration::from_millis(100));
    bar.set_message("installing LiteLLM, once");
    if bar.is_hidden() {
        anstream::println!("      installing LiteLLM into {} (once, about a minute)", environment.display());
    }
    run(Command::new(python).args(["-m", "venv"]).arg(&environment), &bar).await?;
    let mut pip = Command::new(environment.join("bin/python"));
    pip.args(["-m", "pip", "install", "--no-compile", "--disable-pip-version-check", "--no-input"])
        .args(["--progress-bar", "off", "-r"])
        .arg(&requirements);
    run(&mut pip, &bar).await?;
    std::fs::write(environment.join(".ready"), "")?;
    bar.finish_and_clear();
    Ok(environment)
}

/// Runs one step of the installation, and counts packages as pip names them.
async fn run(command: &mut Command, bar: &ProgressBar) -> Result<(), Failure> {
    let fault = |error: std::io::Error| Failure::Fault(format!("LiteLLM cannot be installed: {error}"));
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(fault)?;
    let errors = child.stderr.take().map(|errors| {
        tokio::spawn(async move {
            let (mut lines, mut last) = (BufReader::new(errors).lines(), String::new());
            while let Ok(Some(line)) = lines.next_line().await {
                if !line.trim().is_empty() {
                    last = line;
                }
            }
            last
        })
    });
    if let Some(output) = child.stdout.take() {
        let mut lines = BufReader::new(output).lines();
        while let Some(line) = lines.next_line().await.map_err(fault)? {
            if line.starts_with("Collecting ") {
                bar.inc(1);
            } else if line.starts_with("Installing collected") {
                bar.set_message("unpacking");
            }
        }
    }
    let status = child.wait().await.map_err(fault)?;
    if status.success() {
        return Ok(());
    }
    let last = match errors {
        Some(task) => task.await.unwrap_or_default(),
        None => String::new(),
    };
    Err(Failure::Fault(format!(
        "LiteLLM cannot be installed ({status}): {last}. Is the package registry reachable? You can also start a \
         proxy yourself and set LITELLM_BASE_URL and LITELLM_API_KEY"
    )))
}

async fn find_python() -> Result<&'static str, Failure> {
    for python in PYTHONS {
        let mut probe = Command::new(python);
        probe.args(["-c", SUITS]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        if probe.status().await.is_ok_and(|status| status.success()) {
            return Ok(python);
        }
    }
    Err(Failure::Fault(
        "no Python 3.10 to 3.14 with venv is here, which LiteLLM needs: install python3 and python3-venv (Debian, \
         Ubuntu: sudo apt-get install python3-venv), or set LITELLM_BASE_URL and LITELLM_API_KEY to a proxy of yours"
            .into(),
    ))
}

/// A spinner on a terminal, nothing elsewhere.
pub(super) fn spinner(message: &'static str) -> ProgressBar {
    let spinner = ProgressBar::new_spinner().with_style(style("{spinner} {msg}")).with_message(message);
    spinner.enable_steady_tick(Duration::from_millis(100));
    spinner
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

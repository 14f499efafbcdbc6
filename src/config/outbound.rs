//! Settings of what goes out: webhooks, and models in MLflow.

use std::fmt;

use ipnet::IpNet;
use secrecy::{ExposeSecret, SecretString};
use url::Url;

use super::SettingError;
use super::parse::{fault, filled, http_url, networks, number, secret};
use crate::model::{MAX_TIMEOUT_SECONDS, MIN_SIGNING_SECRET_CHARS};

/// The settings as flags and environment variables.
#[derive(clap::Args, Clone, Default)]
pub struct OutboundArgs {
    /// Networks that webhooks may be sent to although they are private, comma-separated: addresses or CIDRs
    /// [default: none]
    #[arg(long, env = "AGENTHOOK_EGRESS_ALLOW", value_name = "CIDRS")]
    pub egress_allow: Option<String>,

    /// Deliveries in flight in this process: 1 to 10000 [default: 512]
    #[arg(long, env = "AGENTHOOK_DELIVERY_CONCURRENCY", value_name = "N")]
    pub delivery_concurrency: Option<String>,

    /// Largest `data` of an event that is published, in bytes: 1 to 1048576 [default: 262144]
    #[arg(long, env = "AGENTHOOK_MAX_EVENT_BYTES", value_name = "BYTES")]
    pub max_event_bytes: Option<String>,

    /// How long events and their deliveries are kept, in days: 1 to 3650 [default: 30]
    #[arg(long, env = "AGENTHOOK_EVENTS_DAYS", value_name = "DAYS")]
    pub events_days: Option<String>,

    /// Where every `model.registered` is sent, in the `hokusai` profile: the platform's own endpoint [default: nowhere]
    #[arg(long, env = "WEBHOOK_URL", value_name = "URL", hide_env_values = true)]
    pub webhook_url: Option<SecretString>,

    /// What that is signed with: 16 characters or more
    #[arg(long, env = "WEBHOOK_SECRET", value_name = "SECRET", hide_env_values = true)]
    pub webhook_secret: Option<SecretString>,

    /// How long one attempt at WEBHOOK_URL may take, in s: 1 to 300 [default: 30]
    #[arg(long, env = "WEBHOOK_TIMEOUT", value_name = "SECONDS")]
    pub webhook_timeout: Option<String>,

    /// Retries after the first attempt at WEBHOOK_URL: 0 to 20 [default: 5]
    #[arg(long, env = "WEBHOOK_MAX_RETRIES", value_name = "N")]
    pub webhook_max_retries: Option<String>,

    /// Before the first of them, in s, and twice as long before each further one: 1 to 3600 [default: 2]
    #[arg(long, env = "WEBHOOK_RETRY_DELAY", value_name = "SECONDS")]
    pub webhook_retry_delay: Option<String>,

    /// Failures in a row after which the circuit of WEBHOOK_URL opens: 1 to 1000 [default: 5]
    #[arg(long, env = "WEBHOOK_CIRCUIT_BREAKER_FAILURE_THRESHOLD", value_name = "N")]
    pub webhook_circuit_breaker_failure_threshold: Option<String>,

    /// How long it stays open, in s: 1 to 86400 [default: 60]
    #[arg(long, env = "WEBHOOK_CIRCUIT_BREAKER_RECOVERY_TIME", value_name = "SECONDS")]
    pub webhook_circuit_breaker_recovery_time: Option<String>,

    /// Publishes the same payload on Redis too, on the channel `model_ready`: true or false [default: false]
    #[arg(long, env = "ENABLE_REDIS_FALLBACK", value_name = "BOOL")]
    pub enable_redis_fallback: Option<String>,

    /// The MLflow server in which models are registered [default: none]
    #[arg(long, env = "MLFLOW_TRACKING_URI", value_name = "URL")]
    pub mlflow_tracking_uri: Option<String>,

    /// A bearer token for it
    #[arg(long, env = "MLFLOW_TRACKING_TOKEN", value_name = "TOKEN", hide_env_values = true)]
    pub mlflow_tracking_token: Option<SecretString>,

    /// Or a user name
    #[arg(long, env = "MLFLOW_TRACKING_USERNAME", value_name = "NAME")]
    pub mlflow_tracking_username: Option<String>,

    /// And a password
    #[arg(long, env = "MLFLOW_TRACKING_PASSWORD", value_name = "PASSWORD", hide_env_values = true)]
    pub mlflow_tracking_password: Option<SecretString>,
}

impl fmt::Debug for OutboundArgs {
    /// Nothing of what was given: unchecked, any of it may hold a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OutboundArgs").finish_non_exhaustive()
    }
}

/// The settings, checked and with defaults.
#[derive(Clone, Debug)]
#[allow(missing_docs, reason = "documented where the operator reads them: OutboundArgs")]
pub struct Outbound {
    pub egress_allow: Vec<IpNet>,
    pub delivery_concurrency: usize,
    pub max_event_bytes: usize,
    pub events_days: u32,
    /// `WEBHOOK_URL` and its family.
    pub platform_webhook: Option<PlatformWebhook>,
    pub mlflow: Option<Mlflow>,
}

/// The endpoint that the settings define. Its URL may hold credentials.
#[derive(Clone, Debug)]
#[allow(missing_docs, reason = "documented where the operator reads them: OutboundArgs")]
pub struct PlatformWebhook {
    pub url: SecretString,
    pub secret: SecretString,
    pub timeout_seconds: u32,
    /// Before each retry, in s.
    pub schedule_seconds: Vec<u32>,
    pub failure_threshold: u32,
    pub recovery_seconds: u32,
    pub redis_fallback: bool,
}

/// The MLflow server.
#[derive(Clone, Debug)]
#[allow(missing_docs, reason = "documented where the operator reads them: OutboundArgs")]
pub struct Mlflow {
    pub url: Url,
    pub token: Option<SecretString>,
    pub user: Option<(String, SecretString)>,
}

impl OutboundArgs {
    pub(super) fn resolve(self) -> Result<Outbound, SettingError> {
        Ok(Outbound {
            egress_allow: networks("AGENTHOOK_EGRESS_ALLOW", self.egress_allow.clone())?,
            delivery_concurrency: number(
                "AGENTHOOK_DELIVERY_CONCURRENCY",
                self.delivery_concurrency.clone(),
                512,
                1,
                10_000,
            )?,
            max_event_bytes: number(
                "AGENTHOOK_MAX_EVENT_BYTES",
                self.max_event_bytes.clone(),
                262_144,
                1,
                1_048_576,
            )?,
            events_days: number("AGENTHOOK_EVENTS_DAYS", self.events_days.clone(), 30, 1, 3650)? as u32,
            mlflow: self.mlflow()?,
            platform_webhook: self.platform_webhook()?,
        })
    }

    fn mlflow(&self) -> Result<Option<Mlflow>, SettingError> {
        const NAME: &str = "MLFLOW_TRACKING_URI";
        let Some(url) = filled(self.mlflow_tracking_uri.clone()) else { return Ok(None) };
        let url = http_url(NAME, Some(url), "")?;
        let (token, name) =
            (secret(self.mlflow_tracking_token.clone()), filled(self.mlflow_tracking_username.clone()));
        let user = match (name, secret(self.mlflow_tracking_password.clone())) {
            (Some(name), Some(password)) => Some((name, password)),
            (None, None) => None,
            (Some(_), None) | (None, Some(_)) => {
                let problem = "MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD go together";
                return Err(fault("MLFLOW_TRACKING_PASSWORD", problem.into()));
            }
        };
        Ok(Some(Mlflow { url, token, user }))
    }

    fn platform_webhook(&self) -> Result<Option<PlatformWebhook>, SettingError> {
        let seconds = |name, text: &Option<String>, default, high| {
            number(name, text.clone(), default, 1, high).map(|number| number as u32)
        };
        let timeout_seconds =
            seconds("WEBHOOK_TIMEOUT", &self.webhook_timeout, 30, MAX_TIMEOUT_SECONDS as usize)?;
        let retries = number("WEBHOOK_MAX_RETRIES", self.webhook_max_retries.clone(), 5, 0, 20)?;
        let delay = seconds("WEBHOOK_RETRY_DELAY", &self.webhook_retry_delay, 2, 3600)?;
        let failure_threshold = seconds(
            "WEBHOOK_CIRCUIT_BREAKER_FAILURE_THRESHOLD",
            &self.webhook_circuit_breaker_failure_threshold,
            5,
            1000,
        )?;
        let recovery_seconds = seconds(
            "WEBHOOK_CIRCUIT_BREAKER_RECOVERY_TIME",
            &self.webhook_circuit_breaker_recovery_time,
            60,
            86_400,
        )?;
        let redis_fallback = match filled(self.enable_redis_fallback.clone()).as_deref() {
            None | Some("false" | "0") => false,
            Some("true" | "1") => true,
            Some(other) => {
                return Err(fault("ENABLE_REDIS_FALLBACK", format!("`{other}` is neither true nor false")));
            }
        };
        let Some(url) = secret(self.webhook_url.clone()) else {
            return match redis_fallback {
                false => Ok(None),
                true => Err(fault("ENABLE_REDIS_FALLBACK", "goes with WEBHOOK_URL, which is not set".into())),
            };
        };
        let secret = secret(self.webhook_secret.clone())
            .filter(|text| text.expose_secret().chars().count() >= MIN_SIGNING_SECRET_CHARS);
        let secret = secret.ok_or_else(|| {
            let problem =
                format!("goes with WEBHOOK_URL and has {MIN_SIGNING_SECRET_CHARS} characters or more");
            fault("WEBHOOK_SECRET", problem)
        })?;
        let schedule_seconds = (0..retries).map(|n| delay.saturating_mul(1 << n).min(MAX_DELAY_S)).collect();
        let url = url.expose_secret().trim().to_owned().into();
        Ok(Some(PlatformWebhook {
            url,
            secret,
            timeout_seconds,
            schedule_seconds,
            failure_threshold,
            recovery_seconds,
            redis_fallback,
        }))
    }
}

/// The longest delay that doubling leads to, in s: a day.
const MAX_DELAY_S: u32 = 86_400;

#[cfg(test)]
mod tests {
    use super::*;

    fn platform(change: impl FnOnce(&mut OutboundArgs)) -> Result<Option<PlatformWebhook>, SettingError> {
        let mut args = OutboundArgs {
            webhook_url: Some("https://example.com/ready".into()),
            webhook_secret: Some("0123456789abcdef".into()),
            ..OutboundArgs::default()
        };
        change(&mut args);
        args.resolve().map(|outbound| outbound.platform_webhook)
    }

    #[test]
    fn the_family_of_webhook_url() {
        let usual = platform(|_| {}).expect("valid").expect("one");
        assert_eq!(usual.schedule_seconds, [2, 4, 8, 16, 32]);
        assert_eq!((usual.timeout_seconds, usual.failure_threshold, usual.recovery_seconds), (30, 5, 60));
        assert!(!usual.redis_fallback);
        let other = platform(|args| {
            args.webhook_max_retries = Some("3".into());
            args.webhook_retry_delay = Some("50000".into());
        });
        assert!(other.is_err(), "a delay that is too long");
        let long = platform(|args| {
            args.webhook_max_retries = Some("20".into());
            args.webhook_retry_delay = Some("3600".into());
        });
        assert_eq!(long.expect("valid").expect("one").schedule_seconds[19], MAX_DELAY_S);
        assert!(platform(|args| args.webhook_url = None).expect("valid").is_none());
    }

    #[test]
    fn what_does_not_go_together_is_one_line() {
        let wrong = [
            platform(|args| args.webhook_secret = None),
            platform(|args| args.webhook_secret = Some("0123456789abcde".into())),
            platform(|args| args.enable_redis_fallback = Some("yes".into())),
            platform(|args| {
                args.webhook_url = None;
                args.enable_redis_fallback = Some("true".into());
            }),
            platform(|args| args.mlflow_tracking_uri = Some("file:///mlruns".into())),
            platform(|args| {
                args.mlflow_tracking_uri = Some("http://127.0.0.1:5000".into());
                args.mlflow_tracking_username = Some("me".into());
            }),
        ];
        for outcome in wrong {
            assert_eq!(outcome.expect_err("wrong").to_string().lines().count(), 1);
        }
    }
}

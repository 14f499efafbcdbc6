//! Redis: can it be reached, and does it keep what it is given?

use super::{Finding, fail, ok, warn};
use crate::config::Settings;
use crate::queue::{RedisReport, report};

const CHECK: &str = "Redis";

/// Nothing without one: the program does not need it.
pub(super) async fn check(settings: &Settings) -> Option<Finding> {
    let url = settings.redis_url.as_ref()?;
    Some(match report(url).await {
        Ok(report) => judge(&report),
        Err(problem) => fail(CHECK, format!("{problem}: check REDIS_URL and that it is running")),
    })
}

fn judge(report: &RedisReport) -> Finding {
    let version = &report.version;
    match report.maxmemory_policy.as_deref() {
        Some("noeviction") => {}
        Some(policy) => {
            let message = format!(
                "{version}: with maxmemory-policy {policy} it may throw away parts of the queue, and work then starts \
                 late: set it to noeviction"
            );
            return warn(CHECK, message);
        }
        None => {
            let message =
                format!("{version} does not tell its maxmemory-policy: see to it that it is noeviction");
            return warn(CHECK, message);
        }
    }
    let persistence = if report.appends {
        "it writes all to disk (AOF), which is not needed: nothing is lost with it"
    } else {
        "it keeps its data in memory, which is enough: nothing is lost with it"
    };
    ok(CHECK, format!("{version} is reachable; {persistence}"))
}

#[cfg(test)]
mod tests {
    use super::super::Status;
    use super::*;

    #[test]
    fn a_redis_that_throws_things_away_is_worth_a_warning() {
        let report = |policy: Option<&str>| RedisReport {
            version: "7.0.15".into(),
            maxmemory_policy: policy.map(str::to_owned),
            appends: false,
        };
        assert_eq!(judge(&report(Some("noeviction"))).status, Status::Ok);
        let lru = judge(&report(Some("allkeys-lru")));
        assert!(lru.status == Status::Warn && lru.message.contains("noeviction"), "{}", lru.message);
        assert_eq!(judge(&report(None)).status, Status::Warn);
    }

    #[tokio::test]
    async fn nobody_at_the_address_is_a_failure_that_names_the_setting_and_no_password() {
        let url = "redis://:hunter2@127.0.0.1:1".to_owned().into();
        let args = crate::config::SettingsArgs { redis_url: Some(url), ..Default::default() };
        let finding = check(&args.resolve().expect("valid")).await.expect("a finding");
        assert_eq!(finding.status, Status::Fail);
        assert!(
            finding.message.contains("REDIS_URL") && !finding.message.contains("hunter2"),
            "{}",
            finding.message
        );
    }
}

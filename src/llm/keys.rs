//! Who pays: the tenant's key policy as a pure function.
//!
//! A key of another payer is never used silently. Only two things lead to the platform's key: the policy
//! says so for every call, or `fallback_on` names the reason; either way the attempt's row says who paid.

use secrecy::SecretString;

use crate::model::{ErrorCode, ExecutionError, FallbackReason, KeyPolicy, KeySource, Tenant};

/// The key of an execution's first call.
///
/// Without any key there is no call, even though a proxy without authentication would take one: a call
/// that nobody pays for cannot be bounded.
///
/// # Errors
/// `no_key`, saying which key is missing and how to set it.
pub fn choose<'a>(
    tenant: &Tenant,
    tenant_key: Option<&'a SecretString>,
    platform_key: Option<&'a SecretString>,
) -> Result<(KeySource, &'a SecretString), ExecutionError> {
    let tenants = tenant_key.map(|key| (KeySource::Tenant, key));
    let platforms = platform_key.map(|key| (KeySource::Platform, key));
    let chosen = match tenant.key_policy {
        KeyPolicy::TenantOnly => tenants,
        KeyPolicy::PlatformOnly => platforms,
        KeyPolicy::TenantThenPlatform if tenant.falls_back_on(FallbackReason::Missing) => {
            tenants.or(platforms)
        }
        KeyPolicy::TenantThenPlatform => tenants,
    };
    chosen.ok_or_else(|| no_key(tenant))
}

/// The key of one more call after LiteLLM refused the key that was used, if policy allows one.
#[must_use]
pub fn fallback<'a>(
    tenant: &Tenant,
    used: KeySource,
    reason: FallbackReason,
    platform_key: Option<&'a SecretString>,
) -> Option<&'a SecretString> {
    match used {
        KeySource::Tenant if tenant.falls_back_on(reason) => platform_key,
        // The platform's key is the last resort: behind it there is none.
        KeySource::Tenant | KeySource::Platform => None,
    }
}

fn no_key(tenant: &Tenant) -> ExecutionError {
    let id = &tenant.tenant_id;
    let set_tenants = format!("set one with `agenthook tenant set-llm-key {id}`");
    let message = match tenant.key_policy {
        KeyPolicy::TenantOnly => {
            format!(
                "tenant {id} has no LLM key, and its key_policy tenant_only allows no other: {set_tenants}"
            )
        }
        KeyPolicy::PlatformOnly => format!(
            "tenant {id} has key_policy platform_only, and the platform has no LLM key: the operator sets \
             LITELLM_API_KEY"
        ),
        KeyPolicy::TenantThenPlatform if tenant.falls_back_on(FallbackReason::Missing) => format!(
            "neither tenant {id} nor the platform has an LLM key: {set_tenants}, or the operator sets \
             LITELLM_API_KEY"
        ),
        KeyPolicy::TenantThenPlatform => format!(
            "tenant {id} has no LLM key, and its fallback_on does not list `missing`, so the platform's \
             does not stand in: {set_tenants}"
        ),
    };
    ExecutionError { code: ErrorCode::NoKey, message, retryable: false }
}

#[cfg(test)]
mod tests {
    use FallbackReason::{BudgetExceeded, Missing, RateLimited, Rejected};
    use KeyPolicy::{PlatformOnly, TenantOnly, TenantThenPlatform};
    use secrecy::ExposeSecret;

    use super::*;

    fn tenant(key_policy: KeyPolicy, fallback_on: &[FallbackReason]) -> Tenant {
        Tenant {
            tenant_id: "acme".parse().expect("a tenant id"),
            version: 1,
            name: None,
            key_policy,
            fallback_on: fallback_on.to_vec(),
            allowed_models: None,
            rate_limit: None,
            concurrency: None,
            llm_key: None,
            created_at: crate::model::Time::UNIX_EPOCH,
            updated_at: crate::model::Time::UNIX_EPOCH,
        }
    }

    #[test]
    fn who_pays_first() {
        let (theirs, ours) = (SecretString::from("sk-t"), SecretString::from("sk-p"));
        // (policy, fallback_on, who pays with both keys, with the tenant's, with the platform's)
        let (t, p) = (Some("sk-t"), Some("sk-p"));
        for (policy, on, both, only_theirs, only_ours) in [
            (TenantThenPlatform, &[Missing][..], t, t, p),
            (TenantThenPlatform, &[], t, t, None),
            (TenantThenPlatform, &[Rejected, BudgetExceeded, RateLimited], t, t, None),
            (TenantOnly, &[Missing, Rejected], t, t, None),
            (PlatformOnly, &[Missing], p, None, p),
            (PlatformOnly, &[], p, None, p),
        ] {
            let tenant = tenant(policy, on);
            let pays = |theirs, ours| match choose(&tenant, theirs, ours) {
                Ok((KeySource::Tenant, key)) if key.expose_secret() == "sk-t" => Some("sk-t"),
                Ok((KeySource::Platform, key)) if key.expose_secret() == "sk-p" => Some("sk-p"),
                Ok(_) => panic!("a key under the other's name"),
                Err(error) => {
                    assert_eq!((error.code, error.retryable), (ErrorCode::NoKey, false));
                    None
                }
            };
            assert_eq!(pays(Some(&theirs), Some(&ours)), both, "{policy:?} {on:?}");
            assert_eq!(pays(Some(&theirs), None), only_theirs, "{policy:?} {on:?}");
            assert_eq!(pays(None, Some(&ours)), only_ours, "{policy:?} {on:?}");
            assert_eq!(pays(None, None), None, "{policy:?} {on:?}");
        }
    }

    #[test]
    fn no_key_says_which_one_and_how_to_set_it() {
        let says = |policy, on: &[_]| choose(&tenant(policy, on), None, None).expect_err("no key").message;
        let set = "agenthook tenant set-llm-key acme";
        assert!(says(TenantOnly, &[]).contains(set) && !says(TenantOnly, &[]).contains("LITELLM_API_KEY"));
        assert!(
            says(PlatformOnly, &[]).contains("LITELLM_API_KEY") && !says(PlatformOnly, &[]).contains(set)
        );
        let both = says(TenantThenPlatform, &[Missing]);
        assert!(both.contains(set) && both.contains("LITELLM_API_KEY"));
        assert!(says(TenantThenPlatform, &[]).contains("fallback_on"));
    }

    #[test]
    fn another_payer_only_for_a_listed_reason() {
        let ours = SecretString::from("sk-p");
        for reason in [Rejected, BudgetExceeded, RateLimited] {
            let falls =
                |policy, on: &[_], used| fallback(&tenant(policy, on), used, reason, Some(&ours)).is_some();
            assert!(falls(TenantThenPlatform, &[Missing, reason], KeySource::Tenant));
            assert!(!falls(TenantThenPlatform, &[Missing], KeySource::Tenant));
            assert!(!falls(TenantThenPlatform, &[reason], KeySource::Platform));
            assert!(!falls(TenantOnly, &[reason], KeySource::Tenant));
            assert!(!falls(PlatformOnly, &[reason], KeySource::Platform));
            let tenant = tenant(TenantThenPlatform, &[reason]);
            assert!(fallback(&tenant, KeySource::Tenant, reason, None).is_none());
        }
    }
}

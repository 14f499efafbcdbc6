"""Virtual keys for the integration tests, without a database.

LiteLLM keeps virtual keys in Postgres. The tests need the answers those keys get, not the database, so this hook (named in
config.yaml as `custom_auth`) stands in for the lookup and LiteLLM enforces what it returns:

    $LITELLM_MASTER_KEY         the operator: every model, no limit
    sk-tenant-ok                every model
    sk-tenant-allowlist         only `mock-model`: any other model, known or not, is 403 key_model_access_denied
    sk-tenant-rpm               one request a minute: the second is 429 throttling_error with Retry-After and reset_at
    sk-tenant-expired           401 expired_key
    sk-tenant-blocked           401 auth_error, "Key is blocked."
    sk-tenant-broke             422 budget_exceeded
    any other sk-...            401 token_not_found_in_db
    anything else, or nothing   401 auth_error

Any of the names may be followed by `-` and a text of the caller's choice (`sk-tenant-rpm-7f3a`): another key with the same
rules and a rate counter of its own, so tests that run side by side, or twice within a minute, do not meet.

The upstream sees which key paid: LiteLLM sends the key's alias on as `x-litellm-user_api_key_alias`. The alias is the key
without its `sk-` (`tenant-ok`, `tenant-rpm-7f3a`), and `operator` for the master key.
"""

import os
from datetime import datetime, timezone

import litellm
from fastapi import Request
from litellm.proxy._types import LitellmUserRoles, ProxyException, UserAPIKeyAuth

RULES = {
    "sk-tenant-ok": {},
    "sk-tenant-allowlist": {"models": ["mock-model"]},
    "sk-tenant-rpm": {"rpm_limit": 1},
    "sk-tenant-expired": {"expires": datetime(2020, 1, 1, tzinfo=timezone.utc)},
    "sk-tenant-blocked": {},
    "sk-tenant-broke": {},
}


async def user_api_key_auth(request: Request, api_key: str) -> UserAPIKeyAuth:
    """Called by LiteLLM for every request; `api_key` comes without its `Bearer `."""
    if api_key == os.environ["LITELLM_MASTER_KEY"]:
        return UserAPIKeyAuth(api_key=api_key, key_alias="operator", user_role=LitellmUserRoles.PROXY_ADMIN)
    # LiteLLM turns any exception of its own checks, and so of this hook, into 401 auth_error.
    if not api_key:
        raise Exception("No api key passed in.")
    if not api_key.startswith("sk-"):
        masked = f"{api_key[:4]}****{api_key[-4:]}"
        raise AssertionError(f"LiteLLM Virtual Key expected. Received={masked}, expected to start with 'sk-'.")

    name = next((n for n in RULES if api_key == n or api_key.startswith(n + "-")), None)
    # The answers that LiteLLM gives itself only after reading a row, in its own words.
    if name is None:
        raise ProxyException(
            message=(
                "Authentication Error, Invalid proxy server token passed. "
                f"Received API Key = sk-...{api_key[-4:]}, Key Hash (Token) =not-hashed-in-tests. "
                "Unable to find token in cache or `LiteLLM_VerificationTokenTable`"
            ),
            type="token_not_found_in_db",
            param="key",
            code=401,
        )
    if name == "sk-tenant-blocked":
        raise Exception("Key is blocked. Update via `/key/unblock` if you're an admin.")
    if name == "sk-tenant-broke":
        # LiteLLM checks a budget against its counters, and not at all for a model without a price: say it ourselves.
        raise litellm.BudgetExceededError(
            current_cost=4.6e-05,
            max_budget=4e-05,
            message="Budget has been exceeded! Key=tenant-broke (sk-...roke) Current cost: 4.6e-05, Max budget: 4e-05",
        )
    return UserAPIKeyAuth(api_key=api_key, key_alias=api_key.removeprefix("sk-"), **RULES[name])

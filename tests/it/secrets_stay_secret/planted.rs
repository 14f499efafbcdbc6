//! The secrets that are planted, each where such a one could be.

pub const PLATFORM_KEY: &str = "sk-planted-platform-key-0123456789";
pub const TENANT_KEY: &str = "sk-planted/tenant+key=9876543210";
/// Of the tenant, before it got another one.
pub const REPLACED_KEY: &str = "sk-planted-replaced-tenant-key-24680";
/// Not taken as a tenant's key.
pub const REFUSED_KEY: &str = "sk-planted key that is refused";
pub const WEBHOOK_SECRET: &str = "cGxhbnRlZC13ZWJob29rLXNlY3JldC1vZi0zMi1ieXQ=";
/// Given to a rotation.
pub const ROTATED_SECRET: &str = "cGxhbnRlZC1yb3RhdGVkLXNlY3JldC1vZi0zMi1ieXQ=";
pub const REFUSED_SECRET: &str = "planted-short";
/// Not taken by a rotation.
pub const REFUSED_ROTATION: &str = "planted: this is no base64";
pub const ADMIN_KEY: &str = "ahk_planted-admin-key-0123456789abcdef";
/// Keys to the API that are none.
pub const WRONG_ADMIN_KEY: &str = "ahk_planted-wrong-admin-key-0123456789";
pub const BASIC_PASSWORD: &str = "planted-password-of-basic-auth";
pub const OTHER_HEADER: &str = "planted-key-in-x-api-key";
pub const ENCRYPTION_KEY: &str = "cGxhbnRlZC1uZXcta2V5LW9mLXRoZS1yaW5nLTMyLWI=";
pub const OLD_ENCRYPTION_KEY: &str = "cGxhbnRlZC1vbGQta2V5LW9mLXRoZS1yaW5nLTMyLWI=";
/// Of a hook.
pub const AUTHORIZATION: &str = "planted-authorization-of-the-hook";
pub const COOKIE: &str = "planted-cookie-of-the-hook";
pub const QUERY: &str = "planted-token-in-the-query";
/// In the URL of a callback.
pub const CALLBACK_TOKEN: &str = "planted-token-of-a-callback";
pub const DATABASE_PASSWORD: &str = "planted-database-password";
pub const REDIS_PASSWORD: &str = "planted-redis-password";
/// In what LiteLLM says: its providers' keys, in errors and in headers.
pub const PROVIDER_KEY: &str = "sk-proj-planted-provider-key-13579";
pub const PROVIDER_HEX: &str = "9f8e7d6c5b4a39281706f5e4d3c2b1a0";
pub const IN_HEADER: &str = "planted-secret-in-a-header-of-litellm";
/// Where it does not belong, in requests that are refused.
pub const MISPLACED: &str = "sk-planted-in-the-wrong-field-112233";
pub const IN_BROKEN_JSON: &str = "sk-planted-in-broken-json-445566";
pub const IN_A_PATH: &str = "sk-planted-in-a-path-778899";
/// In an endpoint's URL.
pub const ENDPOINT_TOKEN: &str = "planted-token-of-an-endpoint-246";
pub const ENDPOINT_HEADER: &str = "planted-header-of-an-endpoint-357";
/// Deliveries are signed with it.
pub const SIGNING_SECRET: &str = "planted-signing-secret-of-an-endpoint";
pub const ROTATED_SIGNING_SECRET: &str = "planted-rotated-secret-of-an-endpoint";
pub const REFUSED_ENDPOINT: &str = "planted-in-a-refused-endpoint-468";
/// Of `WEBHOOK_URL`.
pub const PLATFORM_TOKEN: &str = "planted-token-of-the-platform-579";
pub const PLATFORM_SIGNING_SECRET: &str = "planted-signing-secret-of-the-platform";

/// No secret, but nobody's business either: it is stored, and shown to its owner, and nowhere else.
pub const PAYLOAD: &str = "planted-text-of-the-payload";

pub const ALL: [&str; 33] = [
    CALLBACK_TOKEN,
    PLATFORM_KEY,
    TENANT_KEY,
    REPLACED_KEY,
    REFUSED_KEY,
    WEBHOOK_SECRET,
    ROTATED_SECRET,
    REFUSED_SECRET,
    REFUSED_ROTATION,
    ADMIN_KEY,
    WRONG_ADMIN_KEY,
    BASIC_PASSWORD,
    OTHER_HEADER,
    ENCRYPTION_KEY,
    OLD_ENCRYPTION_KEY,
    AUTHORIZATION,
    COOKIE,
    QUERY,
    DATABASE_PASSWORD,
    REDIS_PASSWORD,
    PROVIDER_KEY,
    PROVIDER_HEX,
    IN_HEADER,
    MISPLACED,
    IN_BROKEN_JSON,
    IN_A_PATH,
    ENDPOINT_TOKEN,
    ENDPOINT_HEADER,
    SIGNING_SECRET,
    ROTATED_SIGNING_SECRET,
    REFUSED_ENDPOINT,
    PLATFORM_TOKEN,
    PLATFORM_SIGNING_SECRET,
];

//! The database: can it be reached, and has it the tables of this version?

use secrecy::ExposeSecret;

use super::{Finding, Status, fail, ok};
use crate::config::{DatabaseUrl, Settings};
use crate::store::{self, SchemaGap, Store};

const CHECK: &str = "database";
const ADMIN: &str = "admin key";

/// The finding and, where the tables are there, the store to look further in.
pub(super) async fn check(settings: &Settings) -> (Vec<Finding>, Option<Store>) {
    let kind = format!("{:?}", settings.database_url);
    if let DatabaseUrl::Sqlite(path) = &settings.database_url
        && !path.exists()
    {
        // Opening it would make it.
        return (
            vec![ok(CHECK, format!("{kind} is not there yet: the first `agenthook serve` makes it"))],
            None,
        );
    }
    let store = match Store::open(settings.database_url.to_url().expose_secret(), 2).await {
        Ok(store) => store,
        Err(error) => {
            let message =
                format!("{kind} cannot be opened ({error}): check DATABASE_URL and that it is running");
            return (vec![fail(CHECK, message)], None);
        }
    };
    let finding = match store.schema_gap().await {
        Ok(SchemaGap { missing: 0, unknown: 0 }) => ok(CHECK, format!("{kind} is reachable and up to date")),
        Ok(SchemaGap { unknown: 1.., .. }) => {
            fail(CHECK, format!("{kind} belongs to a newer agenthook: run that version, or restore a backup"))
        }
        Ok(SchemaGap { missing, .. }) => fail(
            CHECK,
            format!("{kind} lacks {missing} migrations: run `agenthook migrate`, or start the server"),
        ),
        // The connection stands, so what is missing is our table.
        Err(store::Error::Fault(_)) => {
            let empty = ok(
                CHECK,
                format!("{kind} is reachable and empty: the first `agenthook serve` makes its tables"),
            );
            let admin = admin(settings, &store, false);
            return (std::iter::once(empty).chain(admin).collect(), None);
        }
        Err(error) => return (vec![fail(CHECK, format!("{kind} does not answer: {error}"))], None),
    };
    if finding.status != Status::Ok {
        return (vec![finding], None);
    }
    let admin = match store.has_any_api_key().await {
        Ok(any) => admin(settings, &store, any),
        Err(error) => Some(fail(ADMIN, format!("cannot be looked up: {error}"))),
    };
    (std::iter::once(finding).chain(admin).collect(), Some(store))
}

/// Whether anybody will be able to get in.
fn admin(settings: &Settings, store: &Store, any: bool) -> Option<Finding> {
    if any || settings.admin_key.is_some() {
        return None;
    }
    Some(match store.is_embedded() {
        true => ok(ADMIN, "none yet: the next `agenthook serve` prints one"),
        false => fail(
            ADMIN,
            "none yet: set AGENTHOOK_ADMIN_KEY for the first start, ahk_ and at least 28 more characters",
        ),
    })
}

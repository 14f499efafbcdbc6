//! Whose a name in MLflow is. MLflow knows no tenants: its names are everybody's, so they are marked.

use std::collections::BTreeMap;

use super::{refusal, tags};
use crate::model::{Registration, TenantId};
use crate::registry::{Registry, RegistryError};
use crate::web::{ApiError, Caller, Code};

/// Whether the caller may know of what has these tags: another tenant's, or an untagged one, is the admin's alone.
pub(super) fn may_see(caller: &Caller, of: &BTreeMap<String, String>) -> bool {
    match &caller.key.tenant_id {
        None => true,
        Some(own) => is_of(own, of),
    }
}

fn is_of(tenant_id: &TenantId, of: &BTreeMap<String, String>) -> bool {
    of.get(tags::TENANT).is_some_and(|tenant| tenant == tenant_id.as_str())
}

/// Makes the registered model if there is none of this name, marked as the tenant's from its first moment; else sees to
/// it that the caller may add to the one that there is.
pub(super) async fn claim_name(
    registry: &Registry,
    caller: &Caller,
    wanted: &Registration,
) -> Result<(), ApiError> {
    let name = &wanted.model_name;
    let tenant = wanted.tenant_id.as_ref().map(|id| (tags::TENANT.to_owned(), id.to_string()));
    match registry.create_model(name, &tenant.into_iter().collect()).await {
        Ok(()) => return Ok(()),
        Err(RegistryError::Exists) => {}
        Err(error) => return Err(refusal::at("/model_name", error)),
    }
    let Some(own) = &caller.key.tenant_id else { return Ok(()) };
    let refused = |error| refusal::at("/model_name", error);
    let of_model = registry.model_tags(name).await.map_err(refused)?;
    let is_own = match of_model.contains_key(tags::TENANT) {
        true => is_of(own, &of_model),
        // It was made by other means: then its versions say whose it is, all of them.
        false => {
            let versions = registry.versions(name).await.map_err(refused)?;
            !versions.is_empty() && versions.iter().all(|version| is_of(own, &version.tags))
        }
    };
    match is_own {
        true => Ok(()),
        false => Err(ApiError::new(
            Code::Conflict,
            "there is a registered model of this name that is not this tenant's: choose another model_name, or have an \
             admin register it",
        )),
    }
}

//! Registered models and their versions.

use std::collections::BTreeMap;

use reqwest::Method;
use serde_json::json;

use super::wire::{Done, RegisteredModelAnswer, VersionAnswer, VersionPage, tags};
use super::{ModelVersion, Registry, RegistryError};

/// Versions of a model on one page of a search. Their tags may be long, and an answer is bounded.
const PAGE: &str = "50";
/// Pages that are read, at most.
const MAX_PAGES: usize = 200;

/// A version that is to be made.
#[derive(Clone, Debug)]
pub struct NewVersion<'a> {
    /// The registered model, which exists.
    pub name: &'a str,
    /// Where its files are.
    pub source: &'a str,
    /// The run that made it.
    pub run_id: &'a str,
    /// The logged model that it is, if it is one.
    pub model_id: Option<&'a str>,
    /// Written with it: it is never seen without them.
    pub tags: &'a BTreeMap<String, String>,
}

impl Registry {
    /// Makes a registered model, without versions.
    ///
    /// # Errors
    /// [`RegistryError::Exists`], [`RegistryError::Invalid`] for a name that MLflow does not take, or what else it says.
    pub async fn create_model(
        &self,
        name: &str,
        own: &BTreeMap<String, String>,
    ) -> Result<(), RegistryError> {
        let asked = json!({"name": name, "tags": tags(own)});
        self.transport.write::<Done>(Method::POST, "registered-models/create", &asked).await.map(drop)
    }

    /// The tags of a registered model itself.
    ///
    /// # Errors
    /// [`RegistryError::NotFound`], or what else MLflow says.
    pub async fn model_tags(&self, name: &str) -> Result<BTreeMap<String, String>, RegistryError> {
        let answer: RegisteredModelAnswer =
            self.transport.get("registered-models/get", &[("name", name)]).await?;
        Ok(super::wire::pairs(answer.registered_model.tags))
    }

    /// Makes a version.
    ///
    /// # Errors
    /// [`RegistryError::Invalid`] for a source that MLflow does not take, or what else it says.
    pub async fn create_version(&self, new: &NewVersion<'_>) -> Result<ModelVersion, RegistryError> {
        let mut asked = json!({
            "name": new.name, "source": new.source, "run_id": new.run_id, "tags": tags(new.tags),
        });
        if let Some(model_id) = new.model_id {
            asked["model_id"] = model_id.into();
        }
        let answer: VersionAnswer =
            self.transport.write(Method::POST, "model-versions/create", &asked).await?;
        Ok(answer.model_version.into())
    }

    /// One version.
    ///
    /// # Errors
    /// [`RegistryError::NotFound`], or what else MLflow says.
    pub async fn version(&self, name: &str, version: u64) -> Result<ModelVersion, RegistryError> {
        let version = version.to_string();
        let asked = [("name", name), ("version", version.as_str())];
        let answer: VersionAnswer = self.transport.get("model-versions/get", &asked).await?;
        Ok(answer.model_version.into())
    }

    /// The versions of a model that have this tag, the oldest first.
    ///
    /// # Errors
    /// What MLflow says. `value` must be without quotation marks.
    pub async fn tagged(
        &self,
        name: &str,
        key: &str,
        value: &str,
    ) -> Result<Vec<ModelVersion>, RegistryError> {
        let filter = format!("{} and tags.`{key}` = '{value}'", named(name)?);
        let mut found = self.search(&filter).await?;
        found.retain(|version| version.name == name);
        found.sort_by_key(|version| version.version.parse::<u64>().unwrap_or(u64::MAX));
        Ok(found)
    }

    /// All versions of a model.
    ///
    /// # Errors
    /// What MLflow says; a model with more than 10,000 is not looked through.
    pub async fn versions(&self, name: &str) -> Result<Vec<ModelVersion>, RegistryError> {
        self.search(&named(name)?).await
    }

    async fn search(&self, filter: &str) -> Result<Vec<ModelVersion>, RegistryError> {
        let (mut found, mut token) = (Vec::new(), String::new());
        for _ in 0..MAX_PAGES {
            let mut asked = vec![("filter", filter), ("max_results", PAGE)];
            if !token.is_empty() {
                asked.push(("page_token", &token));
            }
            let page: VersionPage = self.transport.get("model-versions/search", &asked).await?;
            found.extend(page.model_versions.into_iter().map(ModelVersion::from));
            match page.next_page_token.filter(|token| !token.is_empty()) {
                Some(next) => token = next,
                None => return Ok(found),
            }
        }
        Err(RegistryError::Invalid("the model has too many versions to look through".into()))
    }

    /// Writes a tag of a version.
    ///
    /// # Errors
    /// What MLflow says.
    pub async fn set_tag(&self, version: &ModelVersion, key: &str, value: &str) -> Result<(), RegistryError> {
        let asked = json!({"name": version.name, "version": version.version, "key": key, "value": value});
        self.transport.write::<Done>(Method::POST, "model-versions/set-tag", &asked).await.map(drop)
    }

    /// Removes a version.
    ///
    /// # Errors
    /// What MLflow says.
    pub async fn delete_version(&self, version: &ModelVersion) -> Result<(), RegistryError> {
        let asked = json!({"name": version.name, "version": version.version});
        self.transport.write::<Done>(Method::DELETE, "model-versions/delete", &asked).await.map(drop)
    }
}

/// The condition that a model has this name. MLflow's filters know two quotation marks and no escape.
fn named(name: &str) -> Result<String, RegistryError> {
    match (name.contains('\''), name.contains('"')) {
        (false, _) => Ok(format!("name = '{name}'")),
        (true, false) => Ok(format!("name = \"{name}\"")),
        (true, true) => Err(RegistryError::Invalid(
            "a model whose name has both ' and \" cannot be looked for: name it otherwise".into(),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_break_out_of_its_quotation_marks() {
        assert_eq!(named("My Model").as_deref(), Ok("name = 'My Model'"));
        assert_eq!(named("It's").as_deref(), Ok("name = \"It's\""));
        assert_eq!(named("a\" or b").as_deref(), Ok("name = 'a\" or b'"));
        assert!(named("a' or \"b").is_err());
    }
}

//! `If-Match`: change it only if it is still the version that I saw (RFC 9110 §13.1.1).

use actix_web::http::header::{HeaderName, HeaderValue, IF_MATCH, TryIntoHeaderPair};
use actix_web::{FromRequest, HttpRequest};
use utoipa::IntoParams;

use super::{ApiError, Code};

/// What the request says about the version that it wants to change; nothing is any.
#[derive(Clone, Debug, IntoParams)]
#[into_params(names("If-Match"), parameter_in = Header)]
pub struct IfMatch(
    /// The `ETag` of the version that was read: another version is left as it is.
    #[param(example = "\"3\"")]
    Option<String>,
);

impl FromRequest for IfMatch {
    type Error = ApiError;
    type Future = std::future::Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut actix_web::dev::Payload) -> Self::Future {
        let values: Vec<_> = request.headers().get_all(IF_MATCH).map(HeaderValue::as_bytes).collect();
        let said =
            (!values.is_empty()).then(|| String::from_utf8_lossy(&values.join(&b","[..])).into_owned());
        std::future::ready(Ok(Self(said)))
    }
}

impl IfMatch {
    /// For a change of this version only.
    #[must_use]
    pub fn version(version: i32) -> Self {
        Self(Some(tag(version)))
    }

    /// For a change of whatever is there.
    #[must_use]
    pub fn any() -> Self {
        Self(None)
    }

    /// Lets on only a change of the version that was named.
    ///
    /// # Errors
    /// 412 for another version.
    pub fn check(&self, version: i32) -> Result<(), ApiError> {
        let Some(said) = &self.0 else { return Ok(()) };
        let tags: Option<Vec<_>> = said.split(',').map(|part| named(part.trim())).collect();
        let Some(tags) = tags else {
            let detail = "If-Match must be the ETag of a version, such as \"3\", or *";
            return Err(ApiError::new(Code::VersionMismatch, detail));
        };
        if tags.iter().any(|tag| tag.is_none_or(|tag| tag == version.to_string())) {
            return Ok(());
        }
        let detail =
            format!("{said} was expected, and it is at version {version}: read it again and decide anew");
        Err(ApiError::new(Code::VersionMismatch, detail))
    }
}

/// What an entity tag says; `None` in it is any version. Weak ones count too: a proxy that compresses makes a tag weak,
/// and what is compared is a number, not a body. So does a number without quotes.
fn named(part: &str) -> Option<Option<&str>> {
    if part == "*" {
        return Some(None);
    }
    let strong = part.strip_prefix("W/").unwrap_or(part);
    let tag = strong.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    let bare = part.parse::<u32>().is_ok().then_some(part);
    tag.or(bare).filter(|tag| !tag.contains('"')).map(Some)
}

/// The `ETag` header of a version.
pub fn etag(version: i32) -> impl TryIntoHeaderPair {
    (HeaderName::from_static("etag"), tag(version))
}

fn tag(version: i32) -> String {
    format!("\"{version}\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_version_that_was_named() {
        assert!(IfMatch::version(3).check(3).is_ok() && IfMatch::version(2).check(3).is_err());
        assert!(IfMatch::any().check(3).is_ok());
        let passes = |said: Option<&str>| IfMatch(said.map(ToOwned::to_owned)).check(3).is_ok();
        for good in [None, Some("*"), Some("\"3\""), Some("\"2\", \"3\""), Some("W/\"3\""), Some("3")] {
            assert!(passes(good), "{good:?}");
        }
        for other in ["\"2\"", "\"33\"", "W/\"2\"", "2", "\"a\"", "abc", "\"3", ""] {
            assert!(!passes(Some(other)), "{other}");
        }
    }
}

//! What the API says of a form that it does not take: told above the form, and at the fields that are meant.

use actix_web::ResponseError;
use actix_web::http::StatusCode;
use serde_json::Value;

use crate::web::{ApiError, Code};

/// Secrets never stand in a page that is shown again; left empty, another one would be made without a word.
pub(super) const FORGOTTEN: &str = "the secret that you typed is not kept in a page: type it again";

/// What is wrong with a form; nothing, before it was sent.
#[derive(Debug, Default)]
pub(super) struct Faults {
    /// All in one sentence.
    pub whole: Option<String>,
    /// JSON Pointers, and what to do about what is there.
    each: Vec<(String, String)>,
}

impl Faults {
    /// Those that a refusal tells of, and the status of the page that shows them.
    ///
    /// # Errors
    /// The refusal, where no other form would help.
    pub fn of(refused: ApiError) -> Result<(StatusCode, Self), ApiError> {
        match refused.code() {
            // The request was made by this server, so what is no JSON is what was put into a field.
            Code::MalformedJson | Code::Conflict | Code::VersionMismatch | Code::PayloadTooLarge => {}
            // It may go through later, and nobody wants to type it again.
            Code::Unavailable | Code::TooManyRequests => {}
            _ if refused.status_code() == StatusCode::UNPROCESSABLE_ENTITY => {}
            _ => return Err(refused),
        }
        let text = |error: &Value, name: &str| error[name].as_str().map(ToOwned::to_owned);
        // What does not match a schema is a place in the data.
        let place = |error| {
            text(error, "pointer").or_else(|| Some(format!("/data{}", text(error, "instance_path")?)))
        };
        let each = refused.errors().iter();
        let each = each.filter_map(|error| Some((place(error)?, line_of(error) + &text(error, "message")?)));
        let (status, each) = (refused.status_code(), each.collect());
        Ok((status, Self { whole: Some(refused.detail().to_owned()), each }))
    }

    /// Says that the secret has to be typed again.
    pub fn forgetting_the_secret(mut self) -> Self {
        self.whole =
            Some(self.whole.map_or_else(|| FORGOTTEN.to_owned(), |whole| format!("{whole}; {FORGOTTEN}")));
        self
    }

    /// What is wrong with the field of this pointer, or with something right in it.
    pub fn at(&self, field: &str) -> Option<String> {
        self.each.iter().find_map(|(pointer, message)| {
            let below = pointer.strip_prefix(field)?;
            if below.is_empty() {
                return Some(message.clone());
            }
            let place = below
                .strip_prefix('/')
                .filter(|place| !place.contains('/'))?
                .replace("~1", "/")
                .replace("~0", "~");
            Some(match place.parse::<usize>() {
                Ok(index) => format!("number {}: {message}", index + 1),
                Err(_) => format!("{place}: {message}"),
            })
        })
    }

    /// All of them, with their places.
    pub fn each(&self) -> &[(String, String)] {
        &self.each
    }
}

/// Where in a text of several lines a fault is, as the beginning of a sentence.
pub(super) fn line_of(error: &Value) -> String {
    let number = |name: &str| error[name].as_u64();
    match (number("line"), number("column")) {
        (Some(line), Some(column)) => format!("line {line}, column {column}: "),
        (Some(line), None) => format!("line {line}: "),
        (None, _) => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_is_told_at_its_field() {
        let (status, faults) = Faults::of(ApiError::field("/events/1", "must be a type")).expect("a form");
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
        assert_eq!(faults.at("/events").as_deref(), Some("number 2: must be a type"));
        assert_eq!((faults.at("/event"), faults.at("/url"), faults.at("")), (None, None, None));
        assert_eq!(faults.whole.as_deref(), Some("/events/1 must be a type"));
        let (_, faults) = Faults::of(ApiError::field("/headers/a~1b", "is no name")).expect("a form");
        assert_eq!(faults.at("/headers").as_deref(), Some("a/b: is no name"));
        let (status, faults) = Faults::of(ApiError::unavailable("later")).expect("a form");
        assert_eq!((status.as_u16(), faults.whole.as_deref()), (503, Some("later")));
        for other in [ApiError::not_found(), ApiError::forbidden("no")] {
            assert!(Faults::of(other).is_err());
        }
    }
}

//! A form that somebody sent: only from our own pages, and only with the token of their session.

use actix_web::dev::Payload;
use actix_web::http::header::{HOST, HeaderName, ORIGIN};
use actix_web::{FromRequest, HttpMessage, HttpRequest, web};
use futures_util::future::LocalBoxFuture;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use url::{Url, form_urlencoded};

use super::session::SignedIn;
use crate::app::App;
use crate::web::{ApiError, Body, Caller, Code, from_fields};

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// A form of somebody who is signed in, checked.
pub struct Sent<T> {
    /// Who sent it.
    pub signed_in: SignedIn,
    /// What it says.
    pub fields: T,
}

impl<T> Sent<T> {
    /// Who sent it, as for the API.
    pub fn caller(self) -> Caller {
        self.signed_in.caller
    }
}

/// A form that is nothing but its button.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Button {}

/// A form of somebody who is not, such as the one to sign in with.
pub struct FromOutside<T>(pub T);

impl<T: DeserializeOwned> FromRequest for Sent<T> {
    type Error = actix_web::Error;
    type Future = LocalBoxFuture<'static, Result<Self, Self::Error>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (signed_in, body) = (SignedIn::extract(request), Body::from_request(request, payload));
        let request = request.clone();
        Box::pin(async move {
            let signed_in = signed_in.await?;
            from_our_pages(&request)?;
            is_form(&request)?;
            let mut fields = read(body.await?)?;
            let place = fields.iter().position(|(name, _)| name == "csrf");
            let token = place.map(|place| fields.remove(place).1);
            if token.as_ref() != Some(&signed_in.csrf) {
                return Err(
                    ApiError::forbidden("the form is of an earlier session: open the page again").into()
                );
            }
            Ok(Self { signed_in, fields: from_fields(fields.into_iter())? })
        })
    }
}

impl<T: DeserializeOwned> FromRequest for FromOutside<T> {
    type Error = ApiError;
    type Future = LocalBoxFuture<'static, Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let body = Body::from_request(request, payload);
        let request = request.clone();
        Box::pin(async move {
            from_our_pages(&request)?;
            is_form(&request)?;
            Ok(Self(from_fields(read(body.await?)?.into_iter())?))
        })
    }
}

/// A form is sent as one: other sites' scripts may send some other types without asking first.
fn is_form(request: &HttpRequest) -> Result<(), ApiError> {
    if request.content_type() == "application/x-www-form-urlencoded" {
        return Ok(());
    }
    Err(ApiError::new(Code::UnsupportedMediaType, "a form is application/x-www-form-urlencoded"))
}

fn read(body: Body) -> Result<Vec<(String, String)>, ApiError> {
    Ok(form_urlencoded::parse(&body.bytes()?).into_owned().collect())
}

/// Lets on only forms of our own pages, as browsers tell: newer ones by `Sec-Fetch-Site` (over https and on this machine),
/// all by `Origin`. Who says neither is no browser.
fn from_our_pages(request: &HttpRequest) -> Result<(), ApiError> {
    let foreign =
        || ApiError::forbidden("the form did not come from this site: open the page here and try again");
    if let Some(site) = request.headers().get(SEC_FETCH_SITE) {
        return if site == "same-origin" { Ok(()) } else { Err(foreign()) };
    }
    let text = |name| request.headers().get(name).and_then(|value| value.to_str().ok());
    let origin: Url = text(ORIGIN).and_then(|origin| origin.parse().ok()).ok_or_else(foreign)?;
    let fault = || ApiError::new(Code::Internal, "the server has no state");
    let app = request.app_data::<web::Data<App>>().ok_or_else(fault)?;
    // A proxy may have changed the host; then the public URL is the one that browsers see.
    let asked = text(HOST).and_then(|host| format!("{}://{host}", origin.scheme()).parse::<Url>().ok());
    let ours = [Some(&app.settings.public_url), asked.as_ref()];
    if ours.into_iter().flatten().any(|ours| ours.origin() == origin.origin()) {
        Ok(())
    } else {
        Err(foreign())
    }
}

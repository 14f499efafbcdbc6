//! `openapi`: the API's document, without a server.

use clap::Args;
use url::Url;

use super::failure::Failure;
use super::output;
use crate::openapi::document;

/// Print the OpenAPI 3.1 document of the API
///
/// The same that a server answers at /openapi.json, and shows at /docs.
#[derive(Args)]
#[command(after_help = "Examples:\n  agenthook openapi > openapi.json\n  agenthook openapi --public-url \
                        https://hooks.example.com")]
pub(super) struct OpenApi {
    /// Where the server is
    #[arg(long, value_name = "URL", env = "AGENTHOOK_PUBLIC_URL", default_value = "http://127.0.0.1:8000")]
    public_url: Url,
}

impl OpenApi {
    pub(super) fn run(self) -> Result<(), Failure> {
        let text = serde_json::to_string_pretty(&document(&self.public_url));
        output::print(text.map_err(|error| Failure::Fault(error.to_string()))?)
    }
}

//! `agenthook agent try`: a dry run by the server, or a filter and a template tried here.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::{Value, json};

use super::super::api::Api;
use super::super::failure::Failure;
use super::super::input;
use super::super::output::{plain, print, sheet};
use super::trial;
use crate::filter::{Filter, Names};
use crate::ingress::{Ingress, validate};
use crate::llm::prompt;
use crate::model::{AgentFacts, AgentId, Headers, TenantId};
use crate::template::Template;

/// How `agent` is called by a filter or a template that is tried without a server.
const TENANT: &str = "my-tenant";
const NAME: &str = "My agent";

#[derive(Args)]
pub(super) struct Try {
    /// The agent, and the payload (`-` is standard input). With --filter or --template the payload alone
    #[arg(value_names = ["AGENT_ID", "FILE"], num_args = 1..=2, required = true)]
    what: Vec<String>,
    /// A header that came with it; may be given several times
    #[arg(long = "header", short = 'H', value_name = "NAME: VALUE")]
    headers: Vec<String>,
    /// Try this filter on the payload here, without a server
    #[arg(long, value_name = "CEL")]
    filter: Option<String>,
    /// Try the template in this file here, without a server
    #[arg(long, value_name = "FILE")]
    template: Option<PathBuf>,
}

/// What is to be done.
enum Plan<'a> {
    OnServer(AgentId, &'a Path),
    Here(&'a Path),
}

impl Try {
    pub(super) async fn run(
        &self,
        api: impl FnOnce() -> Result<Api, Failure>,
        json: bool,
    ) -> Result<(), Failure> {
        let headers = self.headers()?;
        match self.plan()? {
            Plan::OnServer(agent_id, file) => {
                let path = ["agents", &agent_id.to_string(), "test"];
                let answer = api()?.post_text(&path, trial::body(file, true, &headers)?).await?;
                trial::rehearsed(&answer, json)
            }
            Plan::Here(file) => {
                let payload = input::bytes(file)?;
                let payload = validate::parse(&payload)
                    .map_err(|error| Failure::Usage(format!("{}: {error}", file.display())))?;
                let headers = Ingress::headers(headers)
                    .map_err(|error| Failure::Usage(format!("--header: {}", error.detail())))?;
                self.here(&payload, &headers, json)
            }
        }
    }

    fn plan(&self) -> Result<Plan<'_>, Failure> {
        let usage = |text: &str| Failure::Usage(text.into());
        match (self.what.as_slice(), self.filter.is_some() || self.template.is_some()) {
            ([file], true) => Ok(Plan::Here(Path::new(file))),
            ([id, file], false) => {
                let id = id.parse().map_err(|_| usage("AGENT_ID must be a UUID"))?;
                Ok(Plan::OnServer(id, Path::new(file)))
            }
            (_, true) => {
                Err(usage("--filter and --template are tried without a server: give the FILE alone"))
            }
            (_, false) => Err(usage("give AGENT_ID and FILE; or FILE alone with --filter or --template")),
        }
    }

    /// `Name: value`; blanks around the value belong to the line, not to the value, as in HTTP.
    fn headers(&self) -> Result<BTreeMap<String, String>, Failure> {
        // not echoed: what looks like no header may be a token
        let no_header = || Failure::Usage("a --header must be written 'Name: value'".into());
        let pairs = self.headers.iter().map(|line| line.split_once(':').ok_or_else(no_header));
        pairs
            .map(|pair| pair.map(|(name, value)| (name.trim().to_owned(), value.trim().to_owned())))
            .collect()
    }

    /// Tries them without a server. Ends with 1 where nothing would run, and with 2 where one cannot be used.
    fn here(&self, payload: &Value, headers: &Headers, as_json: bool) -> Result<(), Failure> {
        let tenant_id: TenantId = TENANT.parse().map_err(|_| Failure::Fault("no tenant".into()))?;
        let agent = AgentFacts { id: AgentId::new(), tenant_id: &tenant_id, name: NAME, version: 1 };
        let filter = self.filter.as_deref().map(|text| Filter::compile(text, Names::Hook)).transpose();
        let filter = filter.map_err(|fault| Failure::Usage(format!("--filter: {fault}")))?;
        let template = self.template.as_deref().map(input::text).transpose()?;
        let template = template.as_deref().map(Template::compile).transpose();
        let template = template.map_err(|fault| Failure::Usage(format!("--template: {fault}")))?;
        let matched = filter.map(|filter| filter.matches(payload, headers, agent));
        let made = template.map(|template| template.render(payload, headers, agent, prompt::random_marker));
        let runs = !matches!(matched, Some(Ok(false) | Err(_))) && !matches!(made, Some(Err(_)));
        print(if as_json {
            let filter = matched.map(|matched| match matched {
                Ok(matched) => json!({"matched": matched, "error": null}),
                Err(fault) => json!({"matched": false, "error": fault.to_string()}),
            });
            let prompt = made.map(|made| match made {
                Ok(message) => json!({"content": message.text, "marker": message.marker, "error": null}),
                Err(fault) => json!({"content": null, "marker": null, "error": fault.to_string()}),
            });
            json!({"filter": filter, "prompt": prompt}).to_string()
        } else {
            let mut rows = Vec::new();
            match matched {
                None => {}
                Some(Ok(true)) => rows.push(("filter", "matches: it would run".to_owned())),
                Some(Ok(false)) => rows.push(("filter", "does not match: it would be ignored".to_owned())),
                Some(Err(fault)) => rows.push(("filter", format!("does not match: {fault}"))),
            }
            let mut message = None;
            match made {
                None => {}
                Some(Ok(made)) => message = Some(made.text),
                Some(Err(fault)) => rows.push(("prompt", format!("cannot be made: {fault}"))),
            }
            let shown = [(!rows.is_empty()).then(|| sheet(rows)), message.map(|text| plain(&text))];
            shown.into_iter().flatten().collect::<Vec<_>>().join("\n\n")
        })?;
        if runs { Ok(()) } else { Err(Failure::Negative) }
    }
}

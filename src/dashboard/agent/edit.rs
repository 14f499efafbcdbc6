//! An agent is made and changed: the form goes through the API's own functions, and comes back with what they say about
//! its fields.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use askama::Template;

use super::form::{AgentForm, changes, place};
use super::here;
use super::saved::saved;
use crate::api::{agent_versions, agents};
use crate::app::App;
use crate::dashboard::answer::{page, page_with, see};
use crate::dashboard::done::Done;
use crate::dashboard::faults::Faults;
use crate::dashboard::frame::{Frame, Section};
use crate::dashboard::sent::Sent;
use crate::dashboard::session::SignedIn;
use crate::dashboard::show::Show;
use crate::model::{
    Agent, AgentId, AgentStatus, DedupeBy, SchemaPolicy, SchemeName, SecretEncoding, WhenPaused,
};
use crate::web::{ApiError, Body, Code, IfMatch};

#[derive(Template)]
#[template(path = "agent_form.html")]
struct FormPage {
    frame: Frame,
    /// `None`: it is to be made.
    agent: Option<AgentId>,
    form: AgentForm,
    faults: AgentFaults,
}

/// What is wrong with a form.
#[derive(Default)]
struct AgentFaults {
    /// What the API says.
    said: Faults,
    /// It was made of another version than the present one.
    moved: Option<Moved>,
}

/// Somebody else has changed the agent meanwhile.
struct Moved {
    from: i32,
    to: i32,
    /// What both have changed.
    both: Vec<&'static str>,
}

impl FormPage {
    fn path(&self) -> String {
        self.agent.map_or_else(|| "/agents/new".to_owned(), |id| format!("{}/edit", here(id)))
    }

    fn statuses(&self) -> Vec<(String, String)> {
        words([AgentStatus::Active, AgentStatus::Paused, AgentStatus::Archived], "")
    }

    fn schemes(&self) -> Vec<(String, String)> {
        words(SchemeName::ALL, "")
    }

    fn encodings(&self) -> Vec<(String, String)> {
        use SecretEncoding::{Base64, Hex, Utf8, Whsec};
        words([Base64, Utf8, Hex, Whsec], "as the scheme's senders write it")
    }

    fn dedupes(&self) -> Vec<(String, String)> {
        words([DedupeBy::Id, DedupeBy::Body], "as the scheme's senders need it")
    }

    fn policies(&self) -> Vec<(String, String)> {
        words([SchemaPolicy::Reject, SchemaPolicy::Quarantine], "")
    }

    fn pauses(&self) -> Vec<(String, String)> {
        words([WhenPaused::Refuse, WhenPaused::Hold], "")
    }

    fn starts(&self) -> Vec<(String, String)> {
        [("webhook", "a signed webhook"), ("", "nothing but the API")]
            .map(|(word, label)| (word.to_owned(), label.to_owned()))
            .into()
    }
}

impl AgentFaults {
    /// Fields, and what is wrong with each.
    fn fields(&self) -> Vec<(&'static str, String)> {
        let told = |(pointer, message): &(String, String)| {
            let field = place(pointer)?;
            Some((
                field,
                match pointer.split_once(field) {
                    None | Some((_, "")) => message.clone(),
                    Some((_, below)) => format!("{below}: {message}"),
                },
            ))
        };
        self.said.each().iter().filter_map(told).collect()
    }

    fn at(&self, name: &str) -> Vec<String> {
        self.fields().into_iter().filter(|(field, _)| *field == name).map(|(_, message)| message).collect()
    }

    /// Whether one of these fields, which are folded away, has one.
    fn any(&self, names: &str) -> bool {
        names.split(' ').any(|name| !self.at(name).is_empty())
    }

    /// What is said of the whole form: what stands at a field is not said twice.
    fn problem(&self) -> Option<&str> {
        self.said.whole.as_deref().filter(|_| self.fields().len() < self.said.each().len().max(1))
    }

    /// What the API says about a form, and the status of its page. What is no fault of the form's is none of it.
    fn of(refused: ApiError, form: &AgentForm) -> Result<(StatusCode, Self), ApiError> {
        let (status, mut said) = Faults::of(refused)?;
        if !form.get("secret").is_empty() {
            said = said.forgetting_the_secret();
        }
        Ok((status, Self { said, moved: None }))
    }
}

fn words<T: Show, const N: usize>(words: [T; N], none: &str) -> Vec<(String, String)> {
    let none = (!none.is_empty()).then(|| (String::new(), none.to_owned()));
    none.into_iter().chain(words.into_iter().map(|word| (word.word(), word.word()))).collect()
}

/// The form for a new agent.
///
/// # Errors
/// 403: a viewer.
pub async fn new(app: web::Data<App>, signed_in: SignedIn) -> Result<HttpResponse, ApiError> {
    signed_in.caller.writer()?;
    let frame = Frame::of(&app, &signed_in, Section::Agents, "New agent");
    page(&FormPage { frame, agent: None, form: AgentForm::empty(), faults: AgentFaults::default() })
}

/// Makes an agent.
///
/// # Errors
/// 403: as the API says it.
pub async fn create(app: web::Data<App>, sent: Sent<AgentForm>) -> Result<HttpResponse, ApiError> {
    let Sent { signed_in, fields: form } = sent;
    signed_in.caller.writer()?;
    let made = match form.settings() {
        Ok(settings) => agents::make(&signed_in.caller, &app, Body::of(&settings)).await,
        Err(error) => Err(error),
    };
    match made {
        Ok(agent) => saved(&app, &signed_in, agent, Done::Created),
        Err(refused) => {
            let (status, faults) = AgentFaults::of(refused, &form)?;
            let frame = Frame::of(&app, &signed_in, Section::Agents, "New agent");
            let page = FormPage { frame, agent: None, form: form.without_secret(), faults };
            page_with(status, &page)
        }
    }
}

/// The form of an agent.
///
/// # Errors
/// 403: a viewer. 404: there is none of this id.
pub async fn edit(
    app: web::Data<App>,
    signed_in: SignedIn,
    path: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    let agent = agents::find(&app, &signed_in.caller, &path).await?;
    signed_in.caller.writer()?;
    let form = form_of(&agent);
    shown(&app, &signed_in, &agent, StatusCode::OK, form, AgentFaults::default())
}

/// Changes an agent: what was changed in the form, and no more.
///
/// # Errors
/// 403, 404: as the API says it.
pub async fn update(
    app: web::Data<App>,
    sent: Sent<AgentForm>,
    path: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    let Sent { signed_in, fields: form } = sent;
    let caller = &signed_in.caller;
    let agent = agents::find(&app, caller, &path).await?;
    caller.writer()?;
    let base = agent_versions::find(&app, agent.agent_id, form.version()).await?;
    if agent.version != base.version {
        return moved(&app, &signed_in, &base, &agent, form);
    }
    let wanted = form.settings().and_then(|after| Ok((form_of(&base).settings()?, after)));
    let changed = match wanted {
        Ok((mut before, mut after)) => {
            // It stays whose it is.
            before.remove("tenant_id");
            after.remove("tenant_id");
            let changes = changes(&before, &after);
            if changes.is_empty() {
                return Ok(see(&app, &Done::Unchanged.at(&here(agent.agent_id))));
            }
            let if_match = IfMatch::version(base.version);
            agents::change(caller, &app, &path, &if_match, Body::of(&changes)).await
        }
        Err(error) => Err(error),
    };
    match changed {
        Ok(agent) => saved(&app, &signed_in, agent, Done::Saved),
        Err(error) if error.code() == Code::VersionMismatch => {
            let agent = agents::find(&app, caller, &path).await?;
            moved(&app, &signed_in, &base, &agent, form)
        }
        Err(refused) => {
            let (status, faults) = AgentFaults::of(refused, &form)?;
            shown(&app, &signed_in, &agent, status, form, faults)
        }
    }
}

/// The form again, on the version that somebody else has made meanwhile: nothing of either is lost.
fn moved(
    app: &App,
    signed_in: &SignedIn,
    base: &Agent,
    present: &Agent,
    form: AgentForm,
) -> Result<HttpResponse, ApiError> {
    let (form, both) = form.onto(&form_of(base), &form_of(present));
    let moved = Moved { from: base.version, to: present.version, both };
    let faults = AgentFaults { moved: Some(moved), ..AgentFaults::default() };
    shown(app, signed_in, present, StatusCode::PRECONDITION_FAILED, form, faults)
}

fn shown(
    app: &App,
    signed_in: &SignedIn,
    agent: &Agent,
    status: StatusCode,
    form: AgentForm,
    faults: AgentFaults,
) -> Result<HttpResponse, ApiError> {
    let frame = Frame::of(app, signed_in, Section::Agents, format!("Change {}", agent.spec.name));
    let page = FormPage { frame, agent: Some(agent.agent_id), form: form.without_secret(), faults };
    page_with(status, &page)
}

fn form_of(agent: &Agent) -> AgentForm {
    AgentForm::of(&agent.spec, &agent.tenant_id, agent.version)
}

//! What is around every page.

use super::answer::base;
use super::assets::{ICON, SCRIPT, STYLE};
use super::done::Done;
use super::session::SignedIn;
use super::show::Show;
use crate::app::App;
use crate::model::KeyRole;

/// Around a page.
pub(super) struct Frame {
    /// The path under which the outside sees this server: every link begins with it.
    pub base: String,
    pub title: String,
    pub section: Option<Section>,
    pub who: Option<Who>,
    /// What was just done here.
    pub done: Option<Done>,
    pub style: &'static str,
    pub script: &'static str,
    pub icon: &'static str,
}

/// Who looks at it.
pub(super) struct Who {
    pub name: String,
    pub role: String,
    /// The one tenant that they see, if it is one.
    pub tenant_id: Option<String>,
    /// Whether there are buttons for them.
    pub may_write: bool,
    /// Whether they make tenants and keys.
    pub is_admin: bool,
    pub csrf: String,
}

/// The parts of the dashboard, as the navigation has them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Section {
    Overview,
    Executions,
    Agents,
    Webhooks,
    Events,
    Tenants,
    Keys,
    Audit,
}

impl Section {
    const ALL: [Self; 8] = [
        Self::Overview,
        Self::Executions,
        Self::Agents,
        Self::Webhooks,
        Self::Events,
        Self::Tenants,
        Self::Keys,
        Self::Audit,
    ];

    fn parts(self) -> (&'static str, &'static str) {
        match self {
            Self::Overview => ("Overview", "/"),
            Self::Executions => ("Executions", "/executions"),
            Self::Agents => ("Agents", "/agents"),
            Self::Webhooks => ("Webhooks", "/webhooks"),
            Self::Events => ("Events", "/events"),
            Self::Tenants => ("Tenants", "/tenants"),
            Self::Keys => ("Keys", "/keys"),
            Self::Audit => ("Audit", "/audit"),
        }
    }

    /// Whether it answers whoever is no admin.
    fn is_for_all(self) -> bool {
        self != Self::Keys
    }
}

impl Frame {
    /// Around a page for nobody in particular.
    pub fn bare(app: &App, title: impl Into<String>) -> Self {
        Self {
            base: base(app).to_owned(),
            title: title.into(),
            section: None,
            who: None,
            done: None,
            style: &STYLE.name,
            script: &SCRIPT.name,
            icon: &ICON.name,
        }
    }

    /// Around a page of this part for whoever is signed in.
    pub fn of(app: &App, signed_in: &SignedIn, section: Section, title: impl Into<String>) -> Self {
        Self { section: Some(section), who: Some(Who::of(signed_in)), ..Self::bare(app, title) }
    }

    /// The same after something was done.
    pub fn after(self, done: Option<Done>) -> Self {
        Self { done, ..self }
    }

    /// The navigation, of what answers: names, addresses, and whether it is here.
    pub fn links(&self) -> Vec<(&'static str, String, bool)> {
        let link = |section: Section| {
            let (name, path) = section.parts();
            (name, format!("{}{path}", self.base), self.section == Some(section))
        };
        let sections = Section::ALL.into_iter();
        sections.filter(|section| section.is_for_all() || self.is_admin()).map(link).collect()
    }

    /// Whether there are buttons.
    pub fn may_write(&self) -> bool {
        self.who.as_ref().is_some_and(|who| who.may_write)
    }

    /// Whether there are the buttons that make tenants and keys.
    pub fn is_admin(&self) -> bool {
        self.who.as_ref().is_some_and(|who| who.is_admin)
    }

    /// What forms send along.
    pub fn csrf(&self) -> &str {
        self.who.as_ref().map_or("", |who| &who.csrf)
    }

    /// Whether things of several tenants are among what is shown.
    pub fn sees_all_tenants(&self) -> bool {
        self.who.as_ref().is_some_and(|who| who.tenant_id.is_none())
    }
}

impl Who {
    pub fn of(signed_in: &SignedIn) -> Self {
        let key = &signed_in.caller.key;
        Self {
            name: key.name.clone(),
            role: key.role.word(),
            tenant_id: key.tenant_id.as_ref().map(ToString::to_string),
            may_write: key.role.may_write(),
            is_admin: key.role == KeyRole::Admin,
            csrf: signed_in.csrf.clone(),
        }
    }
}

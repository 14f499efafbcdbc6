//! The first page: is it healthy, what failed, and what did it cost.

use actix_web::{HttpResponse, web};
use askama::Template;
use serde::Deserialize;
use url::form_urlencoded;

use super::answer::page;
use super::chart::{Chart, bucket, charts};
use super::filters::Filters;
use super::frame::{Frame, Section};
use super::names::Names;
use super::session::SignedIn;
use super::show::Show;
use super::trouble::{FAILURES, Trouble};
use crate::api::stats::StatsQuery;
use crate::api::view::{ExecutionView, StatsView};
use crate::api::{executions, stats};
use crate::app::App;
use crate::model::{TenantId, Window};
use crate::web::ApiError;

/// Executions that are shown, the newest.
const LATEST: i64 = 10;

#[derive(Template)]
#[template(path = "overview.html")]
struct OverviewPage {
    frame: Frame,
    filters: Filters,
    stats: StatsView,
    charts: Vec<Chart>,
    trouble: Trouble,
    latest: Vec<ExecutionView>,
    names: Names,
}

/// What it is about.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    #[serde(default)]
    window: Window,
    tenant_id: Option<TenantId>,
}

impl OverviewPage {
    /// The windows that one can look at: text, address, and whether it is this one.
    fn windows(&self) -> Vec<(&'static str, String, bool)> {
        let tenant = self.filters.get("tenant_id");
        let link = |window: Window| {
            let mut query = form_urlencoded::Serializer::for_suffix(String::from("/?"), 2);
            query.append_pair("window", window.as_str());
            if !tenant.is_empty() {
                query.append_pair("tenant_id", tenant);
            }
            let address = format!("{}{}", self.frame.base, query.finish());
            (last(window), address, window == self.stats.window)
        };
        Window::ALL.map(link).into()
    }

    /// From when on failures are counted, as a list's filter says it.
    fn since(&self) -> String {
        self.trouble.since.format("%Y-%m-%dT%H:%M:%S").to_string()
    }

    fn within(&self) -> &'static str {
        last(self.stats.window)
    }

    /// How long a bucket of the charts is.
    fn bucket(&self) -> &'static str {
        bucket(self.stats.window)
    }
}

/// The overview.
///
/// # Errors
/// 422: a filter is wrong. 503: the database is away.
pub async fn show(
    app: web::Data<App>,
    signed_in: SignedIn,
    filters: Filters,
) -> Result<HttpResponse, ApiError> {
    let Asked { window, tenant_id } = filters.read()?;
    let caller = &signed_in.caller;
    let stats = stats::of(&app, caller, &StatsQuery::of_tenant(tenant_id.clone(), window)).await?;
    let within = window.grain().length() * window.buckets();
    let trouble = Trouble::of(&app, &signed_in, tenant_id.clone(), within).await?;
    let newest = executions::ListQuery::newest(tenant_id, LATEST);
    let latest = executions::page(&app, caller, &newest).await?.executions;
    let failing = trouble.failing.iter().map(|one| one.agent_id);
    let names = Names::of(&app, failing.chain(latest.iter().map(|one| one.agent_id))).await?;
    let frame = Frame::of(&app, &signed_in, Section::Overview, "Overview");
    page(&OverviewPage { frame, filters, charts: charts(&stats), stats, trouble, latest, names })
}

fn last(window: Window) -> &'static str {
    match window {
        Window::Hour => "last hour",
        Window::Day => "last 24 hours",
        Window::Week => "last 7 days",
        Window::Month => "last 30 days",
    }
}

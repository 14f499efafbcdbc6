//! `custom`: the rules as the agent's owner wrote them, checked.

use std::borrow::Cow;

use super::Scheme;
use super::mac::{Layout, MacRules, Names};
use super::presets::Proof;
use super::template::{Place, Template};
use super::time::{TimeRule, TimeSource};
use crate::model::{CustomScheme, SchemeName};

/// Longest name of a header, prefix and separator, in bytes.
const MAX_WORD: usize = 100;
/// Longest template, in bytes.
const MAX_TEMPLATE: usize = 1000;
/// The tolerance that may be asked for, in s: a day.
const MAX_TOLERANCE: u32 = 86_400;

/// What is wrong with a scheme: the member of `custom`, and what to do.
pub(super) type Faults = Vec<(&'static str, String)>;

/// The scheme, if it is right.
pub(super) fn read(custom: &CustomScheme) -> Result<Scheme, Faults> {
    let mut faults = Faults::new();
    let mut check = |fine: bool, member, message: &str| {
        if !fine {
            faults.push((member, message.to_owned()));
        }
    };
    let name = "must be a header's name: 1 to 100 letters, digits and -_.";
    check(is_header(&custom.header), "header", name);
    check(custom.timestamp_header.as_deref().is_none_or(is_header), "timestamp_header", name);
    check(custom.id_header.as_deref().is_none_or(is_header), "id_header", name);
    let others = [&custom.timestamp_header, &custom.id_header];
    let own = !others.into_iter().flatten().any(|name| name.eq_ignore_ascii_case(&custom.header));
    check(own, "header", "must be another header than timestamp_header and id_header");
    let prefix =
        custom.prefix.len() <= MAX_WORD && is_visible(&custom.prefix) && !custom.prefix.starts_with(' ');
    check(prefix, "prefix", "must be at most 100 printable ASCII characters and not begin with a blank");
    let separator = custom.separator.as_deref().is_none_or(|text| {
        (1..=MAX_WORD).contains(&text.len()) && is_visible(text) && !text.bytes().any(is_digit)
    });
    check(
        separator,
        "separator",
        "must be 1 to 100 printable ASCII characters, and none that a signature may hold (letters, digits, + / =)",
    );
    check(
        (1..=MAX_TOLERANCE).contains(&custom.tolerance_seconds),
        "tolerance_seconds",
        "must be between 1 and 86400 (a day)",
    );
    check(custom.template.len() <= MAX_TEMPLATE, "template", "must be at most 1000 bytes long");
    let template = Template::read(custom.template.clone().into());
    if let Err(message) = &template {
        check(false, "template", message);
    }
    if let Ok(template) = &template {
        let has = |place, header: &Option<String>| !template.has(place) || header.is_some();
        check(
            has(Place::Timestamp, &custom.timestamp_header),
            "timestamp_header",
            "is needed by {timestamp}",
        );
        check(has(Place::Id, &custom.id_header), "id_header", "is needed by {id}");
        // An id that nobody signed only finds repeats. A time that nobody signed proves nothing: whoever sends an old
        // delivery again writes another one.
        check(
            template.has(Place::Timestamp) || custom.timestamp_header.is_none(),
            "timestamp_header",
            "is not signed, so that anybody could change it: put {timestamp} into the template, or leave \
             timestamp_header out",
        );
    }
    match template {
        Ok(template) if faults.is_empty() => Ok(scheme(custom, template)),
        Ok(_) | Err(_) => Err(faults),
    }
}

fn scheme(custom: &CustomScheme, template: Template) -> Scheme {
    let signs_id = template.has(Place::Id);
    let owned = |name: &String| Cow::from(name.clone());
    let rules = MacRules {
        names: vec![Names {
            signature: owned(&custom.header),
            timestamp: custom.timestamp_header.as_ref().map(owned),
            id: custom.id_header.as_ref().filter(|_| signs_id).map(owned),
        }],
        template,
        algorithm: custom.algorithm,
        encoding: custom.encoding,
        either_case: true,
        prefix: owned(&custom.prefix),
        prefix_needed: true,
        layout: custom.separator.as_ref().map_or(Layout::One, |text| Layout::List(owned(text))),
        time: custom.timestamp_header.as_ref().map(|_| TimeRule {
            source: TimeSource::Header,
            unit: custom.timestamp_unit,
            tolerance: custom.tolerance_seconds,
        }),
    };
    let mut scheme = Scheme::new(SchemeName::Custom, Proof::Mac(rules), "");
    scheme.id_headers.extend(custom.id_header.as_ref().filter(|_| !signs_id).map(owned));
    scheme
}

fn is_header(name: &str) -> bool {
    let part = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    (1..=MAX_WORD).contains(&name.len()) && name.bytes().all(part)
}

fn is_visible(text: &str) -> bool {
    text.bytes().all(|byte| (b' '..=b'~').contains(&byte))
}

/// Whether a signature may hold it.
fn is_digit(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=')
}

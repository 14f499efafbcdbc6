//! A form as a browser reads it: where it goes, and what it would send if nobody typed anything.

use std::collections::BTreeMap;

/// A form that sends something.
#[derive(Debug)]
pub struct Form {
    pub action: String,
    pub hidden: BTreeMap<String, String>,
    /// Every other field with a name; boxes only where they are ticked.
    pub fields: BTreeMap<String, String>,
}

impl Form {
    /// Out of what stands between its tags.
    pub fn of(form: &str) -> Self {
        let hidden = form.split("<input type=\"hidden\" ").skip(1);
        let hidden = hidden.map(|input| (attribute(input, "name"), attribute(input, "value"))).collect();
        Self { action: attribute(form, "action"), hidden, fields: fields(form) }
    }
}

fn fields(form: &str) -> BTreeMap<String, String> {
    let mut fields = BTreeMap::new();
    for input in form.split("<input ").skip(1).filter(|input| !input.starts_with("type=\"hidden\"")) {
        let tag = input.split('>').next().unwrap_or_default();
        let is_box = tag.contains("type=\"checkbox\"");
        if !is_box || tag.ends_with(" checked") {
            let value = if tag.contains(" value=\"") { attribute(tag, "value") } else { String::new() };
            fields.insert(attribute(tag, "name"), value);
        }
    }
    for area in form.split("<textarea ").skip(1) {
        let text = area.split('>').nth(1).unwrap_or_default().trim_end_matches("</textarea");
        fields.insert(attribute(area, "name"), unescaped(text.strip_prefix('\n').unwrap_or(text)));
    }
    for select in form.split("<select ").skip(1) {
        let options: Vec<_> =
            select.split("</select>").next().unwrap_or_default().split("<option ").collect();
        let is_chosen =
            |option: &&&str| option.split('>').next().is_some_and(|tag| tag.ends_with(" selected"));
        let chosen = options[1..].iter().find(is_chosen).unwrap_or(&options[1]);
        fields.insert(attribute(select, "name"), attribute(chosen, "value"));
    }
    fields
}

/// The first attribute of this name in the text.
fn attribute(text: &str, name: &str) -> String {
    let start = format!("{name}=\"");
    let rest = text.split(&start).nth(1).unwrap_or_else(|| panic!("no {name}: {text}"));
    unescaped(rest.split('"').next().unwrap_or_default())
}

pub fn unescaped(text: &str) -> String {
    let text = text.replace("&#34;", "\"").replace("&#39;", "'").replace("&#60;", "<").replace("&#62;", ">");
    text.replace("&#38;", "&")
}

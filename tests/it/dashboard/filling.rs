//! A form as a browser sends it: with all that stands in its fields, but for what somebody types.

use super::browser::{Browser, Page};

impl Browser {
    /// Types into a form of this page, and sends all of it.
    pub async fn fill(&self, page: &Page, action: &str, typed: &[(&str, &str)]) -> Page {
        let mut fields = page.fields(action);
        for (name, text) in typed {
            fields.retain(|(known, _)| known != name);
            fields.push(((*name).to_owned(), text.replace('\n', "\r\n")));
        }
        let fields: Vec<_> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        self.post(action, &fields).await
    }
}

impl Page {
    /// What stands in the fields of the form that goes to this address.
    pub fn fields(&self, action: &str) -> Vec<(String, String)> {
        let start = format!("action=\"{action}\"");
        let form =
            self.text.split(&start).nth(1).unwrap_or_else(|| panic!("no form to {action}: {}", self.text));
        let form = form.split("</form>").next().unwrap_or_default();
        let mut fields = Vec::new();
        for part in form.split('<').skip(1) {
            let (tag, rest) = part.split_once('>').unwrap_or((part, ""));
            let Some(name) = said(tag, "name") else { continue };
            match tag.split(' ').next().unwrap_or_default() {
                "input" if tag.contains("type=\"checkbox\"") && !tag.contains(" checked") => {}
                "input" => fields.push((name, said(tag, "value").unwrap_or_default())),
                "textarea" => {
                    let text = unescaped(rest.strip_prefix('\n').unwrap_or(rest));
                    fields.push((name, text.replace('\n', "\r\n")));
                }
                "select" => {
                    let options = form.split(&format!("<{tag}>")).nth(1).unwrap_or_default();
                    let options = options.split("</select>").next().unwrap_or_default();
                    let all =
                        || options.split("<option ").skip(1).filter_map(|option| option.split('>').next());
                    let chosen = all().find(|option| option.ends_with(" selected")).or_else(|| all().next());
                    fields.push((name, chosen.and_then(|option| said(option, "value")).unwrap_or_default()));
                }
                _ => {}
            }
        }
        fields
    }

    /// What stands in one of them, as it was typed.
    pub fn field(&self, action: &str, name: &str) -> String {
        let found = self.fields(action).into_iter().find(|(known, _)| known == name);
        found.unwrap_or_else(|| panic!("no field {name}: {}", self.text)).1.replace("\r\n", "\n")
    }

    /// The text of the element of this id.
    pub fn element(&self, id: &str) -> String {
        let rest = self
            .text
            .split(&format!(" id=\"{id}\""))
            .nth(1)
            .unwrap_or_else(|| panic!("no {id}: {}", self.text));
        let rest = rest.split_once('>').expect("a tag").1;
        unescaped(rest.split('<').next().unwrap_or_default())
    }
}

fn said(tag: &str, name: &str) -> Option<String> {
    let rest = tag.split(&format!("{name}=\"")).nth(1)?;
    Some(unescaped(rest.split('"').next().unwrap_or_default()))
}

fn unescaped(text: &str) -> String {
    let text = text.replace("&#34;", "\"").replace("&#39;", "'").replace("&#60;", "<").replace("&#62;", ">");
    text.replace("&#38;", "&")
}

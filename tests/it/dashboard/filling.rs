//! A form as a browser sends it: with all that stands in its fields, but for what somebody types.

use super::browser::{Browser, Page};
use super::form::unescaped;

impl Browser {
    /// Types into a form of this page, and sends all of it, with ends of lines as browsers send them.
    pub async fn fill(&self, page: &Page, action: &str, typed: &[(&str, &str)]) -> Page {
        let form = page.form(action);
        let mut fields = form.hidden;
        fields.extend(form.fields);
        for (name, text) in typed {
            fields.insert((*name).to_owned(), (*text).to_owned());
        }
        let sent = fields.iter().map(|(name, text)| (name, text.replace("\r\n", "\n").replace('\n', "\r\n")));
        let sent: Vec<_> = sent.collect();
        let sent: Vec<_> = sent.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
        self.post(action, &sent).await
    }
}

impl Page {
    /// What stands in a field of the form that goes to this address, as it was typed.
    pub fn field(&self, action: &str, name: &str) -> String {
        let form = self.form(action);
        let found = form.fields.get(name).or_else(|| form.hidden.get(name));
        found.unwrap_or_else(|| panic!("no field {name}: {}", self.text)).replace("\r\n", "\n")
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

//! Lists that come in pages.

use std::collections::HashMap;

use clap::Args;
use serde_json::Value;
use serde_json::value::RawValue;

use super::api::Api;
use super::failure::Failure;
use super::output;

#[derive(Args)]
pub(super) struct PageArgs {
    /// How many to show (of each page, with --all)
    #[arg(long, value_name = "N")]
    limit: Option<u32>,

    /// Where to go on: the cursor that the previous page ended with
    #[arg(long, value_name = "CURSOR")]
    cursor: Option<String>,

    /// Every page, to the last
    #[arg(long)]
    all: bool,
}

/// The part of a list that was asked for, each item as the server wrote it.
pub(super) struct Page {
    noun: &'static str,
    items: Vec<Box<RawValue>>,
    next_cursor: Option<String>,
    /// The last answer, whole.
    text: String,
    answers: usize,
}

impl PageArgs {
    /// Reads one page, or all. `noun` is both the path and the name of the list in the answer.
    pub(super) async fn read(
        &self,
        api: &Api,
        noun: &'static str,
        filter: &[(&str, Option<String>)],
    ) -> Result<Page, Failure> {
        self.read_at(api, &[noun], noun, filter).await
    }

    /// The same for a list at another path.
    pub(super) async fn read_at(
        &self,
        api: &Api,
        path: &[&str],
        noun: &'static str,
        filter: &[(&str, Option<String>)],
    ) -> Result<Page, Failure> {
        let next_cursor = self.cursor.clone();
        let mut page = Page { noun, items: Vec::new(), next_cursor, text: String::new(), answers: 0 };
        loop {
            let given = filter.iter().map(|(name, value)| (*name, value.clone()));
            let paging = [("limit", self.limit.map(|n| n.to_string())), ("cursor", page.next_cursor.take())];
            let query: Vec<_> =
                given.chain(paging).filter_map(|(name, value)| Some((name, value?))).collect();
            let answer = api.get(path, &query).await?;
            page.add(answer.text).map_err(|error| {
                Failure::Fault(format!("the server's list of {noun} cannot be read: {error}"))
            })?;
            if !self.all || page.next_cursor.is_none() {
                return Ok(page);
            }
        }
    }
}

impl Page {
    fn add(&mut self, text: String) -> serde_json::Result<()> {
        let mut answer: HashMap<String, Box<RawValue>> = serde_json::from_str(&text)?;
        let mut part = |name: &str| answer.remove(name).unwrap_or_else(|| RawValue::NULL.to_owned());
        let items: Option<Vec<_>> = serde_json::from_str(part(self.noun).get())?;
        self.items.extend(items.unwrap_or_default());
        self.next_cursor = serde_json::from_str(part("next_cursor").get())?;
        self.text = text;
        self.answers += 1;
        Ok(())
    }

    /// The server's JSON; several pages become one list.
    fn json(&self) -> String {
        if self.answers == 1 {
            return self.text.clone();
        }
        let items: Vec<_> = self.items.iter().map(|item| item.get()).collect();
        format!(r#"{{"{}":[{}],"next_cursor":null}}"#, self.noun, items.join(","))
    }

    /// Prints the items; where there are more, the way to them goes to stderr, so that a pipe has only items.
    pub(super) fn show<const N: usize>(
        &self,
        json: bool,
        headers: [&str; N],
        row: impl Fn(&Value) -> [String; N],
    ) -> Result<(), Failure> {
        if json {
            return output::print(self.json());
        }
        if self.items.is_empty() {
            anstream::eprintln!("no {}", self.noun);
            return Ok(());
        }
        let rows = self.items.iter().map(|item| row(&serde_json::from_str(item.get()).unwrap_or_default()));
        output::print(output::table(headers, rows))?;
        if let Some(cursor) = &self.next_cursor {
            anstream::eprintln!("more: --cursor {}   (everything: --all)", output::plain(cursor));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_become_one_list_and_no_number_changes() {
        let mut page =
            Page { noun: "runs", items: Vec::new(), next_cursor: None, text: String::new(), answers: 0 };
        let first = r#"{"runs": [ {"n":12345678901234567890123} ], "next_cursor": "c"}"#;
        page.add(first.to_owned()).expect("a page");
        assert_eq!((page.json().as_str(), page.next_cursor.as_deref()), (first, Some("c")));
        page.add(r#"{"runs":[{"n":1.0}],"next_cursor":null}"#.to_owned()).expect("a page");
        assert_eq!(page.json(), r#"{"runs":[{"n":12345678901234567890123},{"n":1.0}],"next_cursor":null}"#);
        assert!(page.add("[]".to_owned()).is_err());
    }
}

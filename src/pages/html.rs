//! From a page's Markdown to HTML.

use pulldown_cmark::{CowStr, Event, Parser, Tag, TagEnd, html};

use super::Page;

/// The list of all codes. `base` is the path under which the outside sees this server.
pub(super) fn list(pages: &[Page], base: &str) -> String {
    let base = base.trim_end_matches('/');
    let mut rows = String::new();
    for page in pages {
        let status = page.status.map_or_else(|| "execution".to_owned(), |status| status.to_string());
        let (code, title) = (page.code, escaped(page.title));
        rows += &format!(
            "<tr><td><a href=\"{base}/errors/{code}\"><code>{code}</code></a></td><td>{status}</td><td>{title}</td></tr>\n"
        );
    }
    let body = format!(
        "<h1>Error codes</h1>\n<p>Every refusal carries one of these words as its <code>code</code>, and a failed \
         execution as <code>error.code</code>. The list is closed: programs can rely on it.</p>\n<table>\n<thead>\
         <tr><th>Code</th><th>Status</th><th>Title</th></tr></thead>\n<tbody>\n{rows}</tbody>\n</table>\n"
    );
    whole("Error codes", &body, base)
}

/// One code's page.
pub(super) fn page(page: &Page, base: &str) -> String {
    let base = base.trim_end_matches('/');
    let mut body = format!("<nav><a href=\"{base}/errors\">All error codes</a></nav>\n");
    html::push_html(&mut body, events(page.text, base));
    whole(page.code, &body, base)
}

fn whole(title: &str, body: &str, base: &str) -> String {
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" \
         content=\"width=device-width, initial-scale=1\">\n<meta name=\"color-scheme\" content=\"light dark\">\n\
         <title>{title} - agenthook</title>\n<link rel=\"stylesheet\" href=\"{base}/errors/style.css\">\n</head>\n\
         <body>\n<main>\n{body}</main>\n</body>\n</html>\n"
    )
}

/// The Markdown's events, with links that work here and without HTML of its own.
fn events<'a>(text: &'a str, base: &'a str) -> impl Iterator<Item = Event<'a>> {
    // A link within a link is no Markdown, so one answer is enough to know what an end ends.
    let mut kept = true;
    Parser::new(text).filter_map(move |event| match event {
        Event::Html(text) | Event::InlineHtml(text) => Some(Event::Text(text)),
        Event::Start(Tag::Link { link_type, dest_url, title, id }) => {
            let target = target(&dest_url, base);
            kept = target.is_some();
            target.map(|dest_url| Event::Start(Tag::Link { link_type, dest_url, title, id }))
        }
        Event::End(TagEnd::Link) => kept.then_some(Event::End(TagEnd::Link)),
        Event::Start(Tag::Image { .. }) | Event::End(TagEnd::Image) => None,
        event => Some(event),
    })
}

/// Where a link leads here; the guides, which this server has not, are named in the text beside their links.
fn target<'a>(link: &CowStr<'a>, base: &str) -> Option<CowStr<'a>> {
    if link.starts_with("https://") {
        return Some(link.clone());
    }
    let code = link.strip_suffix(".md").filter(|code| !code.contains('/'))?;
    Some(format!("{base}/errors/{code}").into())
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::super::pages;
    use super::*;

    #[test]
    fn markdown_brings_no_html_and_no_foreign_links() {
        let text = "a <b onclick=x>c</b> &lt;\n\n<script>alert(1)</script>\n\n[k](../operators.md#keys) [o](other.md) \
                    [j](javascript:alert(1)) [w](https://example.com/) ![i](https://example.com/i.png)";
        let page = Page { code: "code", status: None, title: "t", text };
        let html = super::page(&page, "/hooks/");
        for wrong in ["<script", "<b ", "javascript:", "<img", "operators.md"] {
            assert!(!html.contains(wrong), "{wrong}: {html}");
        }
        for right in [
            "&lt;script&gt;",
            "k <a href=\"/hooks/errors/other\">o</a> j <a href=\"https://example.com/\">w</a>",
            "href=\"/hooks/errors/style.css\"",
            "href=\"/hooks/errors\"",
        ] {
            assert!(html.contains(right), "{right}: {html}");
        }
    }

    #[test]
    fn the_list_leads_to_every_page_and_no_page_to_none() {
        let pages = pages();
        let list = list(&pages, "/");
        for page in &pages {
            assert!(list.contains(&format!("<a href=\"/errors/{}\">", page.code)), "{}", page.code);
            let html = super::page(page, "/");
            for link in html.split("href=\"").skip(1).filter_map(|rest| rest.split('"').next()) {
                let code = link.strip_prefix("/errors").unwrap_or_else(|| panic!("{}: {link}", page.code));
                let known = ["", "/style.css"].contains(&code)
                    || pages.iter().any(|page| code.strip_prefix('/') == Some(page.code));
                assert!(known, "{}: {link}", page.code);
            }
        }
    }
}

//! From HTML to the text that a person would read: no scripts, no styles, links with their addresses.
//!
//! No parser of HTML by the book: what comes out is words for a model, and whatever goes in, it ends, in one pass and
//! with no more text than went in.

/// Elements whose content nobody reads.
const SILENT: [&str; 8] = ["script", "style", "noscript", "template", "svg", "iframe", "object", "head"];
/// Elements that begin a new line.
const BLOCKS: [&str; 34] = [
    "address",
    "article",
    "aside",
    "blockquote",
    "br",
    "dd",
    "details",
    "div",
    "dl",
    "dt",
    "fieldset",
    "figcaption",
    "figure",
    "footer",
    "form",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "header",
    "hr",
    "li",
    "main",
    "nav",
    "ol",
    "option",
    "p",
    "pre",
    "section",
    "table",
    "tr",
    "ul",
];

/// The title of a page, where it has one, and its text.
pub fn text(html: &str) -> (Option<String>, String) {
    let mut out = Text::default();
    let mut title = None;
    let mut links: Vec<String> = Vec::new();
    let mut rest = html;
    // Behind it there is no tag, and none is looked for.
    let last = html.rfind('>').unwrap_or(0);
    while let Some(at) = rest.find('<') {
        let (before, tag) = rest.split_at(at);
        if html.len() - tag.len() > last && !tag.starts_with("<!--") {
            break;
        }
        out.words(&unescape(before));
        if let Some(comment) = tag.strip_prefix("<!--") {
            rest = comment.find("-->").and_then(|end| comment.get(end + 3..)).unwrap_or_default();
            continue;
        }
        let Some((inner, after)) = split_tag(tag) else {
            // A sign of less, not of a tag.
            out.words("<");
            rest = tag.get(1..).unwrap_or_default();
            continue;
        };
        rest = after;
        let closing = inner.starts_with('/');
        let name: String = inner
            .trim_start_matches('/')
            .chars()
            .take_while(char::is_ascii_alphanumeric)
            .take(16)
            .collect::<String>()
            .to_ascii_lowercase();
        if !closing && SILENT.contains(&name.as_str()) && !inner.ends_with('/') {
            let (content, after) = until_closed(rest, &name);
            if name == "head" {
                title = title.or_else(|| title_of(content));
            }
            rest = after;
            continue;
        }
        match name.as_str() {
            "title" if !closing => {
                let (content, after) = until_closed(rest, "title");
                title = title.or_else(|| one_line(content));
                rest = after;
            }
            "a" if !closing => links.push(attribute(inner, "href").unwrap_or_default()),
            "a" => {
                let target = links.pop().unwrap_or_default();
                if target.starts_with("http://") || target.starts_with("https://") || target.starts_with('/') {
                    out.words(&format!(" ({target})"));
                }
            }
            "img" => {
                if let Some(words) = attribute(inner, "alt").filter(|words| !words.trim().is_empty()) {
                    out.words(&format!("[picture: {words}]"));
                }
            }
            "td" | "th" if !closing => out.words(" | "),
            "li" if !closing => {
                out.line();
                out.words("- ");
            }
            "h1" | "h2" | "h3" | "h4" | "h5" | "h6" if !closing => {
                out.line();
                out.line();
                out.words("# ");
            }
            "p" | "pre" | "table" => {
                out.line();
                out.line();
            }
            name if BLOCKS.contains(&name) => out.line(),
            _ => {}
        }
        // Of links that are never closed only so many are kept.
        links.truncate(64);
    }
    out.words(&unescape(rest));
    (title, out.finish())
}

/// Collapses white space as a browser does.
#[derive(Default)]
struct Text {
    out: String,
    space: bool,
}

impl Text {
    fn words(&mut self, text: &str) {
        for sign in text.chars() {
            if sign.is_whitespace() {
                self.space = true;
            } else if !sign.is_control() {
                if self.space && !self.out.is_empty() && !self.out.ends_with('\n') {
                    self.out.push(' ');
                }
                self.space = false;
                self.out.push(sign);
            }
        }
    }

    fn line(&mut self) {
        self.space = false;
        if !self.out.is_empty() && !self.out.ends_with("\n\n") {
            self.out.push('\n');
        }
    }

    fn finish(self) -> String {
        self.out.trim().to_owned()
    }
}

/// What is between `<` and `>`, quotes respected, and what follows; `None` where this is no tag.
fn split_tag(text: &str) -> Option<(&str, &str)> {
    let inner = text.get(1..)?;
    if !inner.starts_with(|sign: char| sign.is_ascii_alphabetic() || matches!(sign, '/' | '!' | '?')) {
        return None;
    }
    let mut quote = None;
    for (at, sign) in inner.char_indices() {
        match (quote, sign) {
            (None, '>') => return Some((inner.get(..at)?, inner.get(at + 1..)?)),
            (None, '"' | '\'') => quote = Some(sign),
            (Some(open), sign) if open == sign => quote = None,
            _ => {}
        }
        // A quote that is never closed would take the page with it, and looking for it time.
        if at > 8_192 {
            break;
        }
    }
    let end = inner.find('>')?;
    Some((inner.get(..end)?, inner.get(end + 1..)?))
}

/// The content of an element up to its end, and what follows; all there is where it has none.
fn until_closed<'a>(text: &'a str, name: &str) -> (&'a str, &'a str) {
    let mut from = 0;
    while let Some(at) = text.get(from..).and_then(|rest| rest.find("</")) {
        let start = from + at;
        let after = text.get(start + 2..).unwrap_or_default();
        let found = after.get(..name.len()).is_some_and(|word| word.eq_ignore_ascii_case(name));
        if found {
            let end = after.find('>').map_or(after.len(), |end| end + 1);
            return (text.get(..start).unwrap_or_default(), after.get(end..).unwrap_or_default());
        }
        from = start + 2;
    }
    (text, "")
}

fn title_of(head: &str) -> Option<String> {
    let lower = head.to_ascii_lowercase();
    let start = lower.find("<title")?;
    let start = start + lower.get(start..)?.find('>')? + 1;
    let end = lower.get(start..)?.find("</title").map_or(lower.len(), |end| start + end);
    one_line(head.get(start..end)?)
}

fn one_line(text: &str) -> Option<String> {
    let text = unescape(text).split_whitespace().collect::<Vec<_>>().join(" ");
    let text: String = text.chars().filter(|sign| !sign.is_control()).take(200).collect();
    (!text.is_empty()).then_some(text)
}

/// The value of an attribute of a tag.
fn attribute(tag: &str, name: &str) -> Option<String> {
    let lower = tag.to_ascii_lowercase();
    let mut from = 0;
    while let Some(at) = lower.get(from..).and_then(|rest| rest.find(name)) {
        let start = from + at;
        from = start + name.len();
        let before = lower.get(..start)?.chars().next_back();
        let after = tag.get(from..)?.trim_start();
        let (true, Some(value)) = (before.is_some_and(char::is_whitespace), after.strip_prefix('=')) else { continue };
        let value = value.trim_start();
        let value = match value.chars().next()? {
            quote @ ('"' | '\'') => value.get(1..)?.split(quote).next()?,
            _ => value.split(char::is_whitespace).next()?,
        };
        return Some(unescape(value).chars().filter(|sign| !sign.is_control()).take(500).collect());
    }
    None
}

/// Puts signs in the place of their names: the few that pages are full of, and numbers.
fn unescape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        let (before, after) = rest.split_at(at);
        out.push_str(before);
        // No name is longer; looking further for its end would take time for every `&`.
        let near = after.get(1..after.floor_char_boundary(12)).unwrap_or_default();
        let name = near.split_once(';').map(|(name, _)| name);
        match name.and_then(|name| Some((sign(name)?, name.len()))) {
            Some((sign, length)) => {
                out.push(sign);
                rest = after.get(length + 2..).unwrap_or_default();
            }
            None => {
                out.push('&');
                rest = after.get(1..).unwrap_or_default();
            }
        }
    }
    out.push_str(rest);
    out
}

fn sign(name: &str) -> Option<char> {
    if let Some(number) = name.strip_prefix('#') {
        let code = match number.strip_prefix(['x', 'X']) {
            Some(hex) => u32::from_str_radix(hex, 16).ok()?,
            None => number.parse().ok()?,
        };
        return char::from_u32(code);
    }
    Some(match name {
        "amp" => '&',
        "lt" => '<',
        "gt" => '>',
        "quot" => '"',
        "apos" => '\'',
        "nbsp" => '\u{a0}',
        "copy" => '©',
        "reg" => '®',
        "deg" => '°',
        "euro" => '€',
        "pound" => '£',
        "sect" => '§',
        "times" => '×',
        "middot" => '·',
        "bull" => '•',
        "hellip" => '…',
        "ndash" => '–',
        "mdash" => '—',
        "lsquo" => '‘',
        "rsquo" => '’',
        "ldquo" => '“',
        "rdquo" => '”',
        "laquo" => '«',
        "raquo" => '»',
        "auml" => 'ä',
        "ouml" => 'ö',
        "uuml" => 'ü',
        "Auml" => 'Ä',
        "Ouml" => 'Ö',
        "Uuml" => 'Ü',
        "szlig" => 'ß',
        "eacute" => 'é',
        "egrave" => 'è',
        "agrave" => 'à',
        "ccedil" => 'ç',
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_a_person_would_read() {
        let page = "<!DOCTYPE html><html><head><title>A &amp; B</title><style>p{}</style><script>evil()</script></head>\
            <body><!-- not me --><h1>Top</h1><p>One  <b>two</b>\n three &#8364;5 &lt;tag&gt;</p>\
            <ul><li>first<li><a href='https://example.org/x'>second</a></ul><script>more < evil</script>\
            <img alt=\"a cat\" src=x><table><tr><td>1<td>2</table>1 < 2 & more";
        let (title, text) = text(page);
        assert_eq!(title.as_deref(), Some("A & B"));
        let expected = "# Top\n\nOne two three €5 <tag>\n\n- first\n- second (https://example.org/x)\n\
            [picture: a cat]\n\n| 1 | 2\n\n1 < 2 & more";
        assert_eq!(text, expected);
    }

    #[test]
    fn broken_pages_end_too() {
        for (page, expected) in [
            ("", ""),
            ("<", "<"),
            ("<p", "<p"),
            ("<script>never closed", ""),
            ("<a<a<a", "<a<a<a"),
            ("<!-- never closed", ""),
            ("a<b c=\"never closed>d", "ad"),
            ("&amp", "&amp"),
            ("&#x110000;&#0;x", "&#x110000;x"),
            ("</p></p>", ""),
        ] {
            assert_eq!(text(page).1, expected, "{page:?}");
        }
    }

    proptest! {
        #[test]
        fn no_page_breaks_it(page in "[<>/a-z \"'=&;#!é-]{0,400}") {
            let (_, text) = text(&page);
            prop_assert!(!text.contains('\0'));
        }
    }
}

//! What a `Content-Type` says.

/// A media type with its parameters, read as senders write it: what a strict reader refuses (a parameter without a value,
/// a boundary with `=` outside quotes) is read for what it says, because a webhook that is refused is an event that is lost.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct MediaType {
    kind: Kind,
    parameters: Parameters,
}

/// What the body of a media type is read as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Json,
    Form,
    Multipart,
    Xml,
    Text,
    Other,
}

impl MediaType {
    pub(super) fn parse(header: &str) -> Self {
        let (essence, parameters) = header.split_once(';').unwrap_or((header, ""));
        Self {
            kind: Kind::of(&essence.trim().to_ascii_lowercase()),
            parameters: Parameters::parse(parameters),
        }
    }

    pub(super) fn kind(&self) -> Kind {
        self.kind
    }

    pub(super) fn charset(&self) -> Option<&str> {
        self.parameters.get("charset")
    }

    pub(super) fn boundary(&self) -> Option<&str> {
        self.parameters.get("boundary")
    }
}

impl Kind {
    /// `essence` is in lower case.
    fn of(essence: &str) -> Self {
        let Some((kind, subtype)) = essence.split_once('/') else {
            return Self::Other;
        };
        match (kind, subtype) {
            ("application", "json") => Self::Json,
            ("application", "x-www-form-urlencoded") => Self::Form,
            ("multipart", "form-data") => Self::Multipart,
            ("application" | "text", "xml") => Self::Xml,
            (_, subtype) if subtype.ends_with("+json") => Self::Json,
            (_, subtype) if subtype.ends_with("+xml") => Self::Xml,
            ("text", _) => Self::Text,
            _ => Self::Other,
        }
    }
}

/// The parameters behind the first `;` of a header such as `Content-Type` or `Content-Disposition`; of a name that comes
/// again the first value counts.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Parameters(Vec<(String, String)>);

impl Parameters {
    pub(super) fn parse(mut rest: &str) -> Self {
        let mut found = Vec::new();
        loop {
            rest = rest.trim_start_matches([' ', '\t', ';']);
            if rest.is_empty() {
                return Self(found);
            }
            let (name, after) = split_before(rest, &['=', ';']);
            let (value, after) = match after.strip_prefix('=').map(str::trim_start) {
                None => (String::new(), after),
                Some(value) => match value.strip_prefix('"') {
                    Some(quoted) => read_quoted(quoted),
                    None => {
                        let (value, after) = split_before(value, &[';']);
                        (value.trim_end().to_owned(), after)
                    }
                },
            };
            found.push((name.trim_end().to_ascii_lowercase(), value));
            rest = after;
        }
    }

    /// `name` is in lower case.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }
}

fn split_before<'a>(text: &'a str, ends: &[char]) -> (&'a str, &'a str) {
    text.split_at(text.find(ends).unwrap_or(text.len()))
}

/// Reads up to the closing quote, and skips to the next parameter. A backslash escapes a quote and itself; before anything
/// else it is itself, because senders write `C:\orders\1.csv`.
fn read_quoted(text: &str) -> (String, &str) {
    let mut value = String::new();
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match character {
            '"' => return (value, split_before(characters.as_str(), &[';']).1),
            '\\' if characters.as_str().starts_with(['"', '\\']) => {
                value.extend(characters.next());
            }
            other => value.push(other),
        }
    }
    (value, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_kind(header: &str, expected: Kind) {
        assert_eq!(MediaType::parse(header).kind(), expected, "{header}");
    }

    // W14 to W16.
    #[test]
    fn a_kind_is_found_without_regard_to_case_and_parameters() {
        check_kind("application/json", Kind::Json);
        check_kind("Application/JSON ;charset=UTF-8", Kind::Json);
        check_kind("application/json; charset", Kind::Json);
        check_kind("application/vnd.api+json", Kind::Json);
        check_kind("model/gltf+JSON", Kind::Json);
        check_kind("multipart/form-data", Kind::Multipart);
        check_kind("application/x-www-form-urlencoded", Kind::Form);
        check_kind("text/xml", Kind::Xml);
        check_kind("image/svg+xml", Kind::Xml);
        check_kind("text/csv", Kind::Text);
        check_kind("text/json", Kind::Text);
        check_kind("application/x-ndjson", Kind::Other);
        check_kind("application/jsonp", Kind::Other);
        check_kind("multipart/mixed", Kind::Other);
        check_kind("json", Kind::Other);
        check_kind("", Kind::Other);
    }

    #[track_caller]
    fn check_boundary(header: &str, expected: Option<&str>) {
        assert_eq!(MediaType::parse(header).boundary(), expected, "{header}");
    }

    // W15.
    #[test]
    fn a_boundary_is_read_as_senders_write_it() {
        check_boundary("multipart/form-data; boundary=xYz", Some("xYz"));
        check_boundary("multipart/form-data;BOUNDARY = xYz ; a=b", Some("xYz"));
        check_boundary(r#"multipart/form-data; boundary="a; b=c""#, Some("a; b=c"));
        check_boundary(
            "multipart/form-data; boundary=----=_Part_1",
            Some("----=_Part_1"),
        );
        check_boundary(r#"multipart/form-data; a="\""; boundary=b"#, Some("b"));
        check_boundary("multipart/form-data; boundary=a; boundary=b", Some("a"));
        check_boundary(r#"multipart/form-data; boundary="open"#, Some("open"));
        check_boundary("multipart/form-data; =; ;;x", None);
        check_boundary("multipart/form-data", None);
    }

    #[test]
    fn a_backslash_of_a_windows_path_is_no_escape() {
        let parameters = Parameters::parse(r#"filename="C:\orders\a \"b\" \\c.csv""#);
        assert_eq!(
            parameters.get("filename"),
            Some(r#"C:\orders\a "b" \c.csv"#)
        );
    }
}

//! Data that is typed, or read from a file or from standard input.

use std::fs;
use std::io::Read;

use serde_json::Value;

/// Where data comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// It was typed.
    Typed(String),
    /// From a file.
    File(String),
    /// From standard input.
    Input,
}

impl Source {
    /// Reads `FILE`, `-` or a JSON object.
    pub(super) fn of_config(text: &str) -> Self {
        match text {
            "-" => Self::Input,
            typed if typed.trim_start().starts_with('{') => Self::Typed(typed.to_owned()),
            file => Self::File(file.to_owned()),
        }
    }

    /// Reads `@FILE`, `@-` or the data itself.
    pub(super) fn of_data(text: &str) -> Self {
        match text.strip_prefix('@') {
            Some("-") => Self::Input,
            Some(file) => Self::File(file.to_owned()),
            None => Self::Typed(text.to_owned()),
        }
    }

    /// Returns the text.
    ///
    /// # Errors
    ///
    /// It cannot be read, or it is no text.
    pub(super) fn read(&self, input: &mut dyn Read) -> Result<String, String> {
        let bytes = match self {
            Self::Typed(text) => return Ok(text.clone()),
            Self::File(file) => fs::read(file),
            Self::Input => {
                let mut bytes = Vec::new();
                input.read_to_end(&mut bytes).map(|_| bytes)
            }
        };
        let bytes = bytes.map_err(|fault| format!("{} cannot be read: {fault}", self.name()))?;
        String::from_utf8(bytes).map_err(|_| format!("{} is no text in UTF-8", self.name()))
    }

    /// Returns the text as JSON. What is in it is not repeated: it may be a secret.
    ///
    /// # Errors
    ///
    /// It cannot be read, or it is no JSON.
    pub(super) fn read_json(&self, input: &mut dyn Read) -> Result<Value, String> {
        let text = self.read(input)?;
        serde_json::from_str(&text).map_err(|fault| {
            format!(
                "{} is not JSON: it goes wrong in line {}, column {}",
                self.name(),
                fault.line(),
                fault.column()
            )
        })
    }

    /// Says what it is, for the beginning of a sentence.
    pub(super) fn name(&self) -> String {
        match self {
            Self::Typed(_) => "what was given".to_owned(),
            Self::File(file) => format!("the file `{file}`"),
            Self::Input => "standard input".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_are_typed_or_in_a_file_or_come_in() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("values.json");
        fs::write(&file, "{\"a\": 2}").unwrap();
        let file = file.to_str().unwrap();
        let mut input: &[u8] = b"{\"a\": 3}";
        for (source, wanted) in [
            (Source::of_config(" {\"a\": 1}"), 1),
            (Source::of_config(file), 2),
            (Source::of_config("-"), 3),
        ] {
            assert_eq!(source.read_json(&mut input).unwrap(), json!({"a": wanted}));
        }
        assert_eq!(Source::of_data("@-"), Source::Input);
        assert_eq!(Source::of_data("@x"), Source::File("x".to_owned()));
        assert_eq!(Source::of_data("5"), Source::Typed("5".to_owned()));
    }

    #[test]
    fn what_is_no_json_is_placed_and_not_repeated() {
        let read = |text: &str| Source::of_data(text).read_json(&mut std::io::empty());
        assert_eq!(
            read("{\"key\": s3cret}").unwrap_err(),
            "what was given is not JSON: it goes wrong in line 1, column 9"
        );
        let missing = read("@no-such-file").unwrap_err();
        assert!(missing.starts_with("the file `no-such-file` cannot be read: "));
        let bytes = Source::Input.read(&mut &b"\xff"[..]).unwrap_err();
        assert_eq!(bytes, "standard input is no text in UTF-8");
    }
}

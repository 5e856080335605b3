//! Server-sent events, read from the pieces in which they come.

/// An event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Event {
    /// What kind it is; empty if the server did not say.
    pub(super) name: String,
    /// What it holds.
    pub(super) data: String,
}

/// Puts events together.
#[derive(Debug, Default)]
pub(super) struct Reader {
    unread: Vec<u8>,
    event: Event,
}

impl Reader {
    /// Takes the next piece.
    pub(super) fn feed(&mut self, piece: &[u8]) {
        self.unread.extend_from_slice(piece);
    }

    /// Returns the next event that is whole.
    pub(super) fn next(&mut self) -> Option<Event> {
        while let Some(end) = self.unread.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.unread.drain(..=end).collect();
            let line = String::from_utf8_lossy(&line);
            if let Some(event) = self.line(line.trim_end_matches(['\n', '\r'])) {
                return Some(event);
            }
        }
        None
    }

    fn line(&mut self, line: &str) -> Option<Event> {
        if line.is_empty() {
            let event = std::mem::take(&mut self.event);
            return (!event.data.is_empty()).then_some(event);
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => value.clone_into(&mut self.event.name),
            "data" => {
                if !self.event.data.is_empty() {
                    self.event.data.push('\n');
                }
                self.event.data.push_str(value);
            }
            // A comment keeps the connection open; ids and retry times are for those who come again.
            _ => {}
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pieces: &[&str]) -> Vec<Event> {
        let mut reader = Reader::default();
        let mut events = Vec::new();
        for piece in pieces {
            reader.feed(piece.as_bytes());
            events.extend(std::iter::from_fn(|| reader.next()));
        }
        events
    }

    fn event(name: &str, data: &str) -> Event {
        Event {
            name: name.to_owned(),
            data: data.to_owned(),
        }
    }

    #[test]
    fn an_event_may_come_in_any_pieces() {
        let wanted = [event("log", "{\"a\":1}"), event("", "x\ny")];
        let whole = ":\n\nevent: log\r\ndata: {\"a\":1}\r\n\r\n: keep\ndata:x\ndata: y\n\n";
        assert_eq!(read(&[whole]), wanted);
        let letters: Vec<String> = whole.chars().map(String::from).collect();
        let letters: Vec<&str> = letters.iter().map(String::as_str).collect();
        assert_eq!(read(&letters), wanted);
    }

    #[test]
    fn an_event_that_is_not_whole_is_none() {
        assert_eq!(read(&["event: log\ndata: 1\n"]), []);
        assert_eq!(read(&["event: log\n\n"]), []);
    }
}

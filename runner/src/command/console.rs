//! Where a command reads and writes.

use std::io::{IsTerminal as _, Read, Write};

use serde_json::Value;

use super::table::{Table, clean};

/// The standard streams of a command, and what they are connected to.
pub(super) struct Console<'a> {
    pub(super) input: &'a mut dyn Read,
    pub(super) output: &'a mut dyn Write,
    pub(super) errors: &'a mut dyn Write,
    /// The width of the terminal that standard output is; `None` if it is none.
    pub(super) terminal: Option<u16>,
    /// Whether standard error is a terminal: only there is progress shown.
    pub(super) shows_progress: bool,
    /// Whether the answer is for machines.
    pub(super) json: bool,
}

/// The width of a terminal that does not say how wide it is.
const USUAL_WIDTH: u16 = 100;

/// Returns the width of the terminal that standard output is; `None` if it is none.
pub(super) fn terminal_width() -> Option<u16> {
    let is_terminal = std::io::stdout().is_terminal();
    is_terminal.then(|| comfy_table::Table::new().width().unwrap_or(USUAL_WIDTH))
}

impl Console<'_> {
    /// Writes to standard output; says whether somebody still reads.
    pub(super) fn print(&mut self, text: &str) -> bool {
        let written = self.output.write_all(text.as_bytes());
        written.and_then(|()| self.output.flush()).is_ok()
    }

    /// Writes the JSON of the management API, for machines on a line of its own.
    pub(super) fn print_json(&mut self, value: &Value) -> bool {
        let text = match self.terminal {
            Some(_) => format!("{value:#}\n"),
            None => format!("{value}\n"),
        };
        self.print(&text)
    }

    /// Writes an answer: as it is for machines, as a table for people.
    pub(super) fn answer(&mut self, value: &Value, table: impl FnOnce(&Value) -> Table) {
        if self.json {
            self.print_json(value);
        } else {
            self.table(&table(value));
        }
    }

    /// Writes a table.
    pub(super) fn table(&mut self, table: &Table) {
        let drawn = table.draw(self.terminal);
        self.print(&drawn);
    }

    /// Writes a table under a title, after an empty line; nothing if there is nothing in it.
    pub(super) fn section(&mut self, title: &str, table: &Table) {
        if !table.is_empty() {
            self.print(&format!("\n{title}\n"));
            self.table(table);
        }
    }

    /// Writes what a thing is: one line for each field that is there.
    pub(super) fn fields(&mut self, fields: &[(&'static str, String)]) {
        let is_terminal = self.terminal.is_some();
        let width = fields.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
        for (name, value) in fields.iter().filter(|(_, value)| !value.is_empty()) {
            let value = clean(value, is_terminal);
            let line = if is_terminal {
                format!("{name:width$}  {value}\n")
            } else {
                format!("{name}\t{value}\n")
            };
            self.print(&line);
        }
    }

    /// Says something to people; machines are not told.
    pub(super) fn note(&mut self, text: &str) {
        if !self.json {
            // Nobody is there to be told if that fails.
            let _ = writeln!(self.errors, "{}", clean(text, true));
        }
    }
}

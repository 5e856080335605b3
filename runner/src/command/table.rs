//! Tables: drawn on a terminal, tab-separated elsewhere.

use comfy_table::presets::UTF8_FULL_CONDENSED;
use comfy_table::{ColumnConstraint, ContentArrangement};
use serde_json::Value;

/// A table of texts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Table {
    header: Vec<&'static str>,
    rows: Vec<Vec<String>>,
}

/// The title of a column and the JSON pointer to what stands in it.
pub(super) type Column = (&'static str, &'static str);

impl Table {
    /// Starts a table with these titles.
    pub(super) fn new(header: &[&'static str]) -> Self {
        Self {
            header: header.to_vec(),
            rows: Vec::new(),
        }
    }

    /// Makes a table of JSON objects.
    pub(super) fn of<'a>(items: impl IntoIterator<Item = &'a Value>, columns: &[Column]) -> Self {
        let header: Vec<_> = columns.iter().map(|(title, _)| *title).collect();
        let mut table = Self::new(&header);
        for item in items {
            let cells = columns
                .iter()
                .map(|(_, pointer)| text(item.pointer(pointer)));
            table.row(cells.collect());
        }
        table
    }

    /// Adds a row.
    pub(super) fn row(&mut self, cells: Vec<String>) {
        self.rows.push(cells);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Draws it for a terminal of this width, or writes it for a program or a file: tabs, one line for each row, titles first.
    pub(super) fn draw(&self, terminal: Option<u16>) -> String {
        let Some(width) = terminal else {
            return self.lines();
        };
        let mut table = comfy_table::Table::new();
        table
            .load_style(UTF8_FULL_CONDENSED)
            .set_content_arrangement(ContentArrangement::Dynamic)
            .set_width(width)
            .set_header(&self.header);
        for row in &self.rows {
            table.add_row(row.iter().map(|cell| clean(cell, true)));
        }
        // What is in the first column is copied into the next command.
        if let Some(first) = table.column_mut(0) {
            first.set_constraint(ColumnConstraint::ContentWidth);
        }
        format!("{table}\n")
    }

    fn lines(&self) -> String {
        let mut text = self.header.join("\t");
        text.push('\n');
        for row in &self.rows {
            let cells: Vec<String> = row.iter().map(|cell| clean(cell, false)).collect();
            text.push_str(&cells.join("\t"));
            text.push('\n');
        }
        text
    }
}

/// Returns what stands in a cell: a text as it is, nothing for null, anything else as JSON.
pub(super) fn text(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}

/// Takes out what a terminal would obey or a line would end at: texts come from authors and from senders.
pub(super) fn clean(text: &str, keep_lines: bool) -> String {
    let letters = text.chars().map(|letter| match letter {
        '\n' if keep_lines => '\n',
        '\n' | '\r' | '\t' => ' ',
        control if control.is_control() => char::REPLACEMENT_CHARACTER,
        other => other,
    });
    letters.collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn table() -> Table {
        let items = [
            json!({"id": "e1", "customer": {"id": "acme"}, "error": null, "count": 2}),
            json!({"id": "e2", "customer": {"id": "b\u{1b}[31m"}, "error": "a\tb\nc", "count": [1]}),
        ];
        let columns = [
            ("ID", "/id"),
            ("CUSTOMER", "/customer/id"),
            ("ERROR", "/error"),
            ("COUNT", "/count"),
        ];
        Table::of(&items, &columns)
    }

    #[test]
    fn elsewhere_it_is_one_line_for_each_row_whatever_is_in_it() {
        assert_eq!(
            table().draw(None),
            "ID\tCUSTOMER\tERROR\tCOUNT\ne1\tacme\t\t2\ne2\tb\u{fffd}[31m\ta b c\t[1]\n"
        );
    }

    #[test]
    fn on_a_terminal_it_is_drawn_and_nothing_in_it_is_obeyed() {
        insta::assert_snapshot!(table().draw(Some(60)), @r"
        ┌────┬──────────┬───────┬───────┐
        │ ID ┆ CUSTOMER ┆ ERROR ┆ COUNT │
        ╞════╪══════════╪═══════╪═══════╡
        │ e1 ┆ acme     ┆       ┆ 2     │
        │ e2 ┆ b�[31m   ┆ a b   ┆ [1]   │
        │    ┆          ┆ c     ┆       │
        └────┴──────────┴───────┴───────┘
        ");
    }

    #[test]
    fn what_is_copied_is_not_broken_on_a_narrow_terminal() {
        let mut table = Table::new(&["ID", "ERROR"]);
        let id = "0197c3d2-7f3a-7c1e-8a55-2d1f6b0e9a11".to_owned();
        table.row(vec![id.clone(), "it goes wrong at length ".repeat(4)]);
        let drawn = table.draw(Some(60));
        assert!(drawn.contains(&id), "{drawn}");
        assert!(
            drawn.lines().all(|line| line.chars().count() <= 60),
            "{drawn}"
        );
    }
}

//! The table: medians of rounds that take turns, and how far each is from its target.

use std::fmt::Write as _;
use std::time::Duration;

/// What a ratio should be.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Target {
    /// This or more.
    AtLeast(f64),
    /// This or less.
    AtMost(f64),
    /// Nothing was promised.
    None,
}

/// One line of the table.
#[derive(Debug)]
pub(crate) struct Row {
    scenario: String,
    ours: String,
    reference: String,
    ratio: f64,
    target: Target,
    grows: Option<f64>,
}

impl Row {
    /// A line from what was measured in turns: `ours` and the reference of each round. `show` puts the middle figures into words.
    pub(crate) fn compared(
        scenario: impl Into<String>,
        rounds: &[(f64, f64)],
        target: Target,
        show: impl Fn(f64) -> String,
    ) -> Self {
        let ratios = rounds.iter().map(|(ours, reference)| ours / reference);
        Self {
            scenario: scenario.into(),
            ours: show(median(rounds.iter().map(|round| round.0))),
            reference: show(median(rounds.iter().map(|round| round.1))),
            ratio: median(ratios),
            target,
            grows: None,
        }
    }

    /// Says how the cost grows with the size of the scenario; the points are sizes and costs.
    pub(crate) fn growing(mut self, points: &[(usize, f64)]) -> Self {
        self.grows = Some(slope(points));
        self
    }

    /// Adds to what is said of ours.
    pub(crate) fn with(mut self, further: &str) -> Self {
        let _ = write!(self.ours, " {further}");
        self
    }

    /// Names the reference.
    pub(crate) fn against(mut self, name: &str) -> Self {
        let _ = write!(self.reference, " {name}");
        self
    }

    fn cells(&self) -> [String; 7] {
        let (wanted, kept) = match self.target {
            Target::AtLeast(least) => (format!(">= {least:.2}"), self.ratio >= least),
            Target::AtMost(most) => (format!("<= {most:.2}"), self.ratio <= most),
            Target::None => ("-".to_owned(), true),
        };
        let kept = match (self.target, kept) {
            (Target::None, _) => "",
            (_, true) => "yes",
            (_, false) => "NO",
        };
        [
            self.scenario.clone(),
            self.ours.clone(),
            self.reference.clone(),
            format!("{:.3}", self.ratio),
            wanted,
            kept.to_owned(),
            self.grows
                .map_or_else(String::new, |power| format!("size^{power:.2}")),
        ]
    }
}

/// Puts the lines into a table that reads well on a terminal and in Markdown.
pub(crate) fn print(rows: &[Row]) -> String {
    let heads = [
        "scenario",
        "ours",
        "reference",
        "ratio",
        "target",
        "met",
        "grows",
    ];
    let mut lines = vec![heads.map(str::to_owned)];
    lines.extend(rows.iter().map(Row::cells));
    let width = |column: usize| {
        let cells = lines.iter().filter_map(|line| line.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..heads.len()).map(width).collect();
    let mut text = String::new();
    for (number, line) in lines.iter().enumerate() {
        for (cell, width) in line.iter().zip(&widths) {
            let _ = write!(text, "| {cell:width$} ");
        }
        text.push_str("|\n");
        if number == 0 {
            for width in &widths {
                let _ = write!(text, "| {} ", "-".repeat(*width));
            }
            text.push_str("|\n");
        }
    }
    text
}

/// Returns the middle of some figures.
pub(crate) fn median(figures: impl Iterator<Item = f64>) -> f64 {
    let mut sorted: Vec<f64> = figures.collect();
    sorted.sort_unstable_by(f64::total_cmp);
    percentile(&sorted, 0.5)
}

/// Returns the figure below which this part of the figures is; they are sorted.
pub(crate) fn percentile<T: Copy + Default>(sorted: &[T], part: f64) -> T {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a place within the slice"
    )]
    let place = (float(sorted.len().saturating_sub(1)) * part).round() as usize;
    sorted.get(place).copied().unwrap_or_default()
}

/// Returns how fast a figure grows with a size: 0 not at all, 1 in proportion, 2 with its square.
fn slope(points: &[(usize, f64)]) -> f64 {
    let logs: Vec<(f64, f64)> = points
        .iter()
        .map(|(size, figure)| (float(*size).ln(), figure.ln()))
        .collect();
    let count = float(logs.len());
    let (mean_x, mean_y) = logs.iter().fold((0.0, 0.0), |(x, y), log| {
        (x + log.0 / count, y + log.1 / count)
    });
    let (above, below) = logs.iter().fold((0.0, 0.0), |(above, below), log| {
        let x = log.0 - mean_x;
        (above + x * (log.1 - mean_y), below + x * x)
    });
    above / below
}

/// Returns a count as a figure.
#[expect(clippy::cast_precision_loss, reason = "no count here comes near 2^52")]
pub(crate) fn float(count: usize) -> f64 {
    count as f64
}

/// Returns a length of time in milliseconds.
pub(crate) fn millis(length: Duration) -> f64 {
    length.as_secs_f64() * 1000.0
}

/// Shows a rate.
pub(crate) fn per_second(rate: f64) -> String {
    format!("{rate:.0}/s")
}

/// Shows milliseconds.
pub(crate) fn in_millis(figure: f64) -> String {
    format!("{figure:.2} ms")
}

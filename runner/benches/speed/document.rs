//! The table in a paper: it stands between two marks, and only what is between them is written.

use std::fs;
use std::path::Path;
use std::time::Duration;

/// Writes a table, and on which machine it came about, into a paper of this repository.
pub(crate) fn write(file: &Path, name: &str, text: &str) -> std::io::Result<()> {
    // Cargo runs a benchmark in the folder of its package.
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(file);
    let paper = fs::read_to_string(&file)?;
    let (begin, end) = (mark(name), mark(&format!("end of {name}")));
    let whole = paper.split_once(&begin).and_then(|(before, rest)| {
        let (_, after) = rest.split_once(&end)?;
        Some(format!("{before}{begin}\n\n{text}\n{end}{after}"))
    });
    let whole = whole.ok_or_else(|| {
        let text = format!("the paper has no `{begin}` with `{end}` behind it; add both lines");
        std::io::Error::new(std::io::ErrorKind::InvalidData, text)
    })?;
    fs::write(file, whole)
}

fn mark(name: &str) -> String {
    format!("<!-- speed: {name} -->")
}

/// Says when, how long and on what it was measured.
pub(crate) fn circumstances(took: Duration) -> String {
    let processor = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = processor
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(": "))
        .map_or("a processor that tells no name", |(_, model)| model);
    let count = std::thread::available_parallelism().map_or(1, usize::from);
    let memory = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let kib = memory.split_whitespace().nth(1);
    let gib = kib.and_then(|kib| kib.parse::<u64>().ok()).unwrap_or(0) / 1024 / 1024;
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split_whitespace().next().unwrap_or("unknown");
    format!(
        "Measured in {:.0} s on {count} processors ({}), {gib} GiB, {}; load of the machine at the end: {load}.\n",
        took.as_secs_f64(),
        model.trim(),
        std::env::consts::OS,
    )
}

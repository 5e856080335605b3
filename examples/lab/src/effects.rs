//! Effects that outlive the process: lines of a file, which acceptance tests read.

use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use sdk::{Error, Result};

/// The file that the environment names; without one, nothing is left anywhere.
static FILE: LazyLock<Option<PathBuf>> = LazyLock::new(|| {
    #[expect(
        clippy::disallowed_methods,
        reason = "the lab is told by its environment where acceptance tests look, not by the deployer of an instance"
    )]
    let name = std::env::var("LAB_EFFECTS").unwrap_or_default();
    (!name.is_empty()).then(|| PathBuf::from(name))
});

/// Leaves a line; returns once it would survive a crash of the machine.
pub(crate) fn leave(line: &str) -> Result<()> {
    match FILE.as_deref() {
        Some(file) => append(file, line)
            .map_err(|fault| Error::from(fault).context("cannot write to the file of LAB_EFFECTS")),
        None => Ok(()),
    }
}

/// One write in append mode, so that lines of several processes do not mix.
fn append(file: &Path, line: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().create(true).append(true).open(file)?;
    file.write_all(format!("{line}\n").as_bytes())?;
    file.sync_data()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_goes_after_those_that_are_there() {
        let name = format!("lab-effects-{}", std::process::id());
        let file = std::env::temp_dir().join(name);
        append(&file, "a one").unwrap();
        append(&file, "a two").unwrap();
        let read = std::fs::read_to_string(&file).unwrap();
        std::fs::remove_file(&file).unwrap();
        assert_eq!(read, "a one\na two\n");
    }
}

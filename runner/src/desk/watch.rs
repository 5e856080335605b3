//! Notices when a source file of an integration changes.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::fault::Fault;
use super::workspace::Package;

/// How long nothing may change before the change counts as whole: editors write in several steps.
const QUIET: Duration = Duration::from_millis(150);

/// Watches the source files of packages.
#[derive(Debug)]
pub(super) struct Watch {
    // Two, because beside a manifest may lie anything, a store that is written all the time for one.
    manifests: RecommendedWatcher,
    sources: RecommendedWatcher,
    changes: mpsc::Receiver<()>,
    watched: BTreeSet<PathBuf>,
    is_changing: bool,
}

impl Watch {
    /// Begins with no package.
    ///
    /// # Errors
    ///
    /// The operating system gives no means to watch files.
    pub(super) fn new() -> Result<Self, Fault> {
        // One place is enough: a change that nobody has taken yet stands for all after it.
        let (sender, changes) = mpsc::channel(1);
        Ok(Self {
            manifests: watcher(sender.clone(), is_manifest)?,
            sources: watcher(sender, is_source)?,
            changes,
            watched: BTreeSet::new(),
            is_changing: false,
        })
    }

    /// Watches a package, if that is not done already: its manifest and the folders of its sources.
    ///
    /// # Errors
    ///
    /// A folder that cannot be watched.
    pub(super) fn add(&mut self, package: &Package) -> Result<(), Fault> {
        let root = package.folder();
        self.add_manifest(root)?;
        for folder in package.source_folders() {
            // What lies beside the manifest is watched with it.
            if folder != root && self.watched.insert(folder.to_owned()) {
                self.sources
                    .watch(folder, RecursiveMode::Recursive)
                    .map_err(|source| Fault::CannotWatch { source })?;
            }
        }
        Ok(())
    }

    /// Watches the manifest in a folder, and the Rust files beside it.
    ///
    /// # Errors
    ///
    /// The folder cannot be watched.
    pub(super) fn add_manifest(&mut self, folder: &Path) -> Result<(), Fault> {
        if self.watched.insert(folder.to_owned()) {
            self.manifests
                .watch(folder, RecursiveMode::NonRecursive)
                .map_err(|source| Fault::CannotWatch { source })?;
        }
        Ok(())
    }

    /// Waits until something has changed, and then until nothing changes any more.
    ///
    /// Dropping the future loses no change.
    pub(super) async fn changed(&mut self) {
        if !self.is_changing {
            // The sender lives as long as the watcher, so there is no end to be seen here.
            self.changes.recv().await;
            self.is_changing = true;
        }
        while timeout(QUIET, self.changes.recv()).await.is_ok() {}
        self.is_changing = false;
    }
}

fn watcher(
    sender: mpsc::Sender<()>,
    counts: fn(&Path) -> bool,
) -> Result<RecommendedWatcher, Fault> {
    notify::recommended_watcher(move |event: notify::Result<Event>| {
        if event.is_ok_and(|event| is_change(&event, counts)) {
            let _ = sender.try_send(());
        }
    })
    .map_err(|source| Fault::CannotWatch { source })
}

fn is_change(event: &Event, counts: fn(&Path) -> bool) -> bool {
    let is_written = match event.kind {
        EventKind::Access(_) | EventKind::Other => false,
        EventKind::Any | EventKind::Create(_) | EventKind::Modify(_) | EventKind::Remove(_) => true,
    };
    event.need_rescan() || is_written && event.paths.iter().any(|path| counts(path))
}

/// Whether a file beside a manifest is one that a build reads.
fn is_manifest(path: &Path) -> bool {
    let is_rust = path.extension().is_some_and(|extension| extension == "rs");
    path.ends_with("Cargo.toml") || is_rust && is_source(path)
}

/// Whether a file among the sources is one that a build may read, not one that an editor keeps beside those.
fn is_source(path: &Path) -> bool {
    let Some(name) = path.file_name().and_then(|name| name.to_str()) else {
        return false;
    };
    let is_aside = name.starts_with(['.', '#']) || name.ends_with('~');
    // With a file of this name vim tries whether it may write to a folder.
    !is_aside && name != "4913"
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use notify::event::{AccessKind, CreateKind, Event, EventKind, Flag, ModifyKind, RemoveKind};

    use super::{is_change, is_manifest, is_source};

    #[test]
    fn sources_count_and_what_editors_leave_beside_them_does_not() {
        for name in ["lib.rs", "page.html", "schema.sql"] {
            assert!(is_source(&Path::new("/w/lab/src").join(name)), "{name}");
        }
        for name in [".lib.rs.swp", "lib.rs~", ".#lib.rs", "#lib.rs#", "4913"] {
            assert!(!is_source(&Path::new("/w/lab/src").join(name)), "{name}");
        }
    }

    #[test]
    fn beside_a_manifest_only_rust_counts() {
        for name in ["Cargo.toml", "build.rs"] {
            assert!(is_manifest(&Path::new("/w/lab").join(name)), "{name}");
        }
        for name in [
            "Cargo.lock",
            "lab.sqlite-wal",
            "target",
            ".runner",
            ".build.rs.swp",
        ] {
            assert!(!is_manifest(&Path::new("/w/lab").join(name)), "{name}");
        }
    }

    #[test]
    fn reading_a_source_is_no_change() {
        let event = |kind| Event::new(kind).add_path("/w/lab/src/lib.rs".into());
        let is_change = |kind| is_change(&event(kind), is_source);
        assert!(!is_change(EventKind::Access(AccessKind::Any)));
        assert!(is_change(EventKind::Modify(ModifyKind::Any)));
        assert!(is_change(EventKind::Create(CreateKind::File)));
        assert!(is_change(EventKind::Remove(RemoveKind::File)));
    }

    #[test]
    fn lost_events_count_as_a_change() {
        let event = Event::new(EventKind::Other).set_flag(Flag::Rescan);
        assert!(is_change(&event, is_source));
    }
}

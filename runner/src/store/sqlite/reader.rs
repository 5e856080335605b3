//! Threads that read: a connection each, so that neither the runtime nor the writer waits for them.

use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use rusqlite::Connection;

use super::open::{OpenError, Place};

/// What a thread does with its connection.
type Task = Box<dyn FnOnce(&Connection) + Send>;

/// A few threads that share one line of tasks.
#[derive(Debug)]
pub(super) struct Readers {
    tasks: Option<Sender<Task>>,
    threads: Vec<JoinHandle<()>>,
}

impl Readers {
    /// Starts so many threads.
    pub(super) fn start(place: &Place, name: &str, threads: usize) -> Result<Self, OpenError> {
        let (sender, tasks) = mpsc::channel();
        // A plain lock: a thread holds it while it waits for a task, the others wait behind it.
        let tasks = Arc::new(Mutex::new(tasks));
        let mut readers = Self {
            tasks: Some(sender),
            threads: Vec::with_capacity(threads),
        };
        for _ in 0..threads {
            let db = place.reader()?;
            let tasks = Arc::clone(&tasks);
            let thread = thread::Builder::new().name(name.to_owned());
            let thread = thread.spawn(move || serve(&db, &tasks));
            readers.threads.push(thread.map_err(OpenError::Thread)?);
        }
        Ok(readers)
    }

    /// Puts a task in line.
    pub(super) fn run(&self, task: impl FnOnce(&Connection) + Send + 'static) {
        if let Some(tasks) = &self.tasks {
            // Without a thread the task is dropped, and whoever waits for it hears that the store is closed.
            let _ = tasks.send(Box::new(task));
        }
    }
}

impl Drop for Readers {
    fn drop(&mut self) {
        self.tasks = None;
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

fn serve(db: &Connection, tasks: &Mutex<Receiver<Task>>) {
    loop {
        let task = tasks.lock().unwrap_or_else(PoisonError::into_inner).recv();
        match task {
            Ok(task) => task(db),
            Err(_) => return,
        }
    }
}

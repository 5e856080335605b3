//! The house itself: which module stands on which, how large a file may be, and whether the papers in `docs` name what is there.

mod files;
mod floors;
mod papers;
// What only tests call may panic.
#[cfg(test)]
mod gaps;
#[cfg(test)]
mod source;

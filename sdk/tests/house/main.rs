//! The house itself: which module stands on which, how large a file may be, whether the papers in `docs` name what is there,
//! and whether tests name the rules.

mod files;
mod floors;
mod papers;
mod rows;
// What only tests call may panic.
#[cfg(test)]
mod gaps;
#[cfg(test)]
mod source;

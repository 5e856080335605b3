//! The commands against a server in this process.

mod bad;
mod connecting;
mod deploying;
mod executing;
mod following;
mod senders;
mod shop;
mod stopping;

/// Splits a command line as a shell does, as far as these tests need it.
pub(super) fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    for (place, piece) in line.split('\'').enumerate() {
        if place % 2 == 1 {
            words.push(piece.to_owned());
        } else {
            words.extend(piece.split_whitespace().map(str::to_owned));
        }
    }
    words
}

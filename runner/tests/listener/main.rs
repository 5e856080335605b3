//! The listener over real sockets: every limit and every way of abusing it.
#![cfg(feature = "server")]

#[cfg(test)]
mod bodies;
#[cfg(test)]
mod caller;
#[cfg(test)]
mod connections;
#[cfg(test)]
mod heads;
#[cfg(test)]
mod stop;

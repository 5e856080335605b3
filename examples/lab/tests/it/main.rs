//! The lab as a process of its own, with everything done to it that happens to servers: load, kills, stops, full disks, bad callers.
//!
//! What callers were told is held against what the store and the outside world have afterwards: see `ledger`.

#[cfg(test)]
mod abuse;
#[cfg(test)]
mod caller;
#[cfg(test)]
mod disk;
#[cfg(test)]
mod kill;
#[cfg(test)]
mod ledger;
#[cfg(test)]
mod load;
#[cfg(test)]
mod management;
#[cfg(test)]
mod points;
#[cfg(test)]
mod poison;
#[cfg(test)]
mod postgres;
#[cfg(test)]
mod process;
#[cfg(test)]
mod same;
#[cfg(test)]
mod server;
#[cfg(test)]
mod start;
#[cfg(test)]
mod stop;

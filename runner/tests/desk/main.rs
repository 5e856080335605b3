//! The front desk as it is typed: the real binary, real cargo, small workspaces without dependencies.
#![cfg(all(feature = "server", unix))]

#[cfg(test)]
mod dev;
#[cfg(test)]
mod fixture;
#[cfg(test)]
mod hand_over;
#[cfg(test)]
mod new;
#[cfg(test)]
mod refusals;

//! The timer with everything behind it: a runner on a store in memory, with a clock that is moved by hand.

mod faulty_store;
mod many;
mod missed;
mod overlap;
mod redeploy;
mod refusal;
mod rig;
mod times;

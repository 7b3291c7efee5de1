//! List scheduling: one task after another gets the slot that looks best for it.

mod cpop;
mod dls;
mod etf;
mod fifo;
mod heft;
mod lookahead;
mod max_min;
mod mct;
mod min_min;
mod peft;
mod random;
mod ready;
mod round_robin;
mod sufferage;

pub(crate) use cpop::cpop;
pub(crate) use dls::dls;
pub(crate) use etf::etf;
pub(crate) use fifo::fifo;
pub(crate) use heft::{heft, heft_with};
pub(crate) use lookahead::lookahead;
pub(crate) use max_min::max_min;
pub(crate) use mct::mct;
pub(crate) use min_min::min_min;
pub(crate) use peft::peft;
pub(crate) use random::random;
pub(crate) use ready::by_priority;
pub(crate) use round_robin::round_robin;
pub(crate) use sufferage::sufferage;

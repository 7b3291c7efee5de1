//! A live view of a cluster in a terminal.
//!
//! [`Sample`] is what was asked at one moment, [`frame()`] what is shown of two of them, without a
//! terminal in sight; [`Terminal`] shows it.

mod frame;
mod sample;
mod table;
mod terminal;

pub use frame::{Look, frame};
pub use sample::Sample;
pub use terminal::{Key, Terminal};

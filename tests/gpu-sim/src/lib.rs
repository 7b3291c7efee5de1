//! The simulated machine: its devices and links as the environment describes them, and what is live of
//! them, in memory that the stand-ins for libcuda and libnvidia-ml share, also between processes.
//!
//! # Environment
//!
//! Lists are separated by commas; a short list's last element stands for all further devices.
//!
//! | variable | meaning | default |
//! |---|---|---|
//! | `DRAWLOOM_SIM_DEVICES` | number of devices, 0 to 64 | 1 |
//! | `DRAWLOOM_SIM_MEMORY` | memory of each, such as `512M,80G` | `16G` |
//! | `DRAWLOOM_SIM_CAPABILITY` | compute capability of each, such as `9.0` | `8.0` |
//! | `DRAWLOOM_SIM_NAMES` | names; ` (Simulated)` is added where the word is missing | `Simulated GPU` |
//! | `DRAWLOOM_SIM_MULTIPROCESSORS` | multiprocessors of each | 16 |
//! | `DRAWLOOM_SIM_NUMA` | NUMA node of each | 0 |
//! | `DRAWLOOM_SIM_LINKS` | NVLinks: `none`, `pairs` (0-1, 2-3, ...), `all`, or a list such as `0-1,1-2`; other devices meet over PCIe | `none` |
//! | `DRAWLOOM_SIM_STATE` | a file for live state that several processes share | in the process |
//!
//! [`Machine::environment`] writes these variables for a child process.

mod live;
mod machine;

pub use live::{Live, LiveDevice, MAX_PROCESSES, MAX_XIDS, ProcessEntry, XidEntry};
pub use machine::{Device, Machine, parse_bytes};

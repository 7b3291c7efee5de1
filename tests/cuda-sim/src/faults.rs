//! Faults on purpose.
//!
//! A list separated by `;` or spaces. Each fault is `kind`, optionally `:device`, and when it happens:
//!
//! | text | meaning |
//! |---|---|
//! | `oom@5` | the fifth allocation from now on any device finds no memory |
//! | `oom:1@3` | the third allocation on device 1 |
//! | `oom%0.01` | each allocation with that probability, by the seed |
//! | `pin@1` | the next request for pinned memory is refused |
//! | `blas@1` | the next product of matrices is refused |
//! | `launch@7` | the seventh launch fails while it runs (`LAUNCH_FAILED`, for good) |
//! | `refuse@7` | the seventh launch is refused (`LAUNCH_OUT_OF_RESOURCES`), once |
//! | `ecc@9` | the ninth launch meets an uncorrectable memory error |
//! | `hang@4` | the fourth launch never ends, until it is released or the context reset |
//! | `lost:1@20` | at the twentieth launch on device 1 the device falls off the bus |
//! | `slow:1=4` | device 1 takes four times as long, from now on |

use std::sync::{Mutex, PoisonError};

use crate::driver::error::Code;
use crate::driver::stream::mixed;
use crate::driver::system::System;

/// What goes wrong with a kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KernelFault {
    /// It fails.
    Fail,
    /// A memory error.
    Ecc,
    /// It hangs.
    Hang,
    /// The device is lost.
    Lost,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Oom,
    Pin,
    Blas,
    Refuse,
    Kernel(KernelFault),
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum When {
    /// After so many more; 0 is over.
    Countdown(u64),
    /// With this probability, drawn so often.
    Chance(f64, u64),
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Fault {
    kind: Kind,
    device: Option<usize>,
    when: When,
}

/// Faults to come.
#[derive(Debug, Default)]
pub struct Faults {
    list: Mutex<Vec<Fault>>,
    seed: u64,
}

fn kind_of(text: &str) -> Option<Kind> {
    Some(match text {
        "oom" => Kind::Oom,
        "pin" => Kind::Pin,
        "blas" => Kind::Blas,
        "refuse" => Kind::Refuse,
        "launch" => Kind::Kernel(KernelFault::Fail),
        "ecc" => Kind::Kernel(KernelFault::Ecc),
        "hang" => Kind::Kernel(KernelFault::Hang),
        "lost" => Kind::Kernel(KernelFault::Lost),
        _ => return None,
    })
}

fn parse_one(text: &str) -> Option<Fault> {
    let at = text.find(['@', '%'])?;
    let (head, when) = (&text[..at], &text[at + 1..]);
    let (kind, device) = match head.split_once(':') {
        Some((kind, device)) => (kind, Some(device.parse().ok()?)),
        None => (head, None),
    };
    let when = if text.as_bytes()[at] == b'@' {
        When::Countdown(when.parse().ok().filter(|n| *n > 0)?)
    } else {
        When::Chance(when.parse().ok()?, 0)
    };
    Some(Fault { kind: kind_of(kind)?, device, when })
}

impl Faults {
    /// The faults that a text lists; what is unreadable is told and left out.
    pub fn parse(text: &str, seed: u64, slow: impl Fn(usize, f64)) -> Self {
        let faults = Self { list: Mutex::default(), seed };
        faults.add_listed(text, slow);
        faults
    }

    fn add_listed(&self, text: &str, slow: impl Fn(usize, f64)) -> bool {
        let mut all = true;
        for part in text.split([';', ' ']).map(str::trim).filter(|part| !part.is_empty()) {
            if let Some(rest) = part.strip_prefix("slow:")
                && let Some((device, factor)) = rest.split_once('=')
                && let (Ok(device), Ok(factor)) = (device.parse(), factor.parse())
            {
                slow(device, factor);
                continue;
            }
            match parse_one(part) {
                Some(fault) => self.list.lock().unwrap_or_else(PoisonError::into_inner).push(fault),
                None => {
                    crate::report::tell("setup", &format!("unreadable fault {part:?}"));
                    all = false;
                }
            }
        }
        all
    }

    /// Adds faults; counts start now. `false` if something was unreadable.
    pub fn add(&self, text: &str) -> bool {
        self.add_listed(text, |device, factor| {
            if let Some(device) = System::get().devices.get(device) {
                device.slow_down(factor);
            }
        })
    }

    /// Forgets all faults to come.
    pub fn clear(&self) {
        self.list.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    fn hit(&self, device: usize, wanted: impl Fn(Kind) -> bool) -> Option<Kind> {
        let mut list = self.list.lock().unwrap_or_else(PoisonError::into_inner);
        if list.is_empty() {
            return None;
        }
        let mut found = None;
        for (at, fault) in list.iter_mut().enumerate() {
            if !wanted(fault.kind) || fault.device.is_some_and(|only| only != device) {
                continue;
            }
            let hit = match &mut fault.when {
                When::Countdown(0) => false,
                When::Countdown(left) => {
                    *left -= 1;
                    *left == 0
                }
                When::Chance(chance, drawn) => {
                    *drawn += 1;
                    let random = mixed(self.seed, at as u64 + 1, *drawn) >> 11;
                    (random as f64 / (1u64 << 53) as f64) < *chance
                }
            };
            if hit && found.is_none() {
                found = Some(fault.kind);
            }
        }
        list.retain(|fault| fault.when != When::Countdown(0));
        found
    }

    /// An allocation is about to be made.
    pub fn at_allocation(&self, device: usize) -> Result<(), Code> {
        match self.hit(device, |kind| kind == Kind::Oom) {
            Some(_) => {
                crate::report::tell("injected", &format!("no memory on device {device}"));
                Err(Code::OUT_OF_MEMORY)
            }
            None => Ok(()),
        }
    }

    /// Pinned memory is asked for.
    pub fn at_pinning(&self, device: usize) -> Result<(), Code> {
        match self.hit(device, |kind| kind == Kind::Pin) {
            Some(_) => {
                crate::report::tell("injected", "pinned memory is refused");
                Err(Code::OUT_OF_MEMORY)
            }
            None => Ok(()),
        }
    }

    /// A product is asked for.
    pub fn at_product(&self, device: usize) -> Result<(), Code> {
        match self.hit(device, |kind| kind == Kind::Blas) {
            Some(_) => {
                crate::report::tell("injected", "a product of matrices is refused");
                Err(Code::OUT_OF_MEMORY)
            }
            None => Ok(()),
        }
    }

    /// A launch is about to be queued.
    pub fn at_launch(&self, device: usize) -> Result<Option<KernelFault>, Code> {
        match self.hit(device, |kind| matches!(kind, Kind::Refuse | Kind::Kernel(_))) {
            Some(Kind::Refuse) => {
                crate::report::tell("injected", &format!("a launch on device {device} is refused"));
                Err(Code::OUT_OF_RESOURCES)
            }
            Some(Kind::Kernel(fault)) => Ok(Some(fault)),
            _ => Ok(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_come_when_they_are_due() {
        let faults = Faults::parse("oom@2; launch:1@1; refuse@3; pin@2", 1, |_, _| {});
        assert!(faults.at_allocation(0).is_ok());
        assert_eq!(faults.at_allocation(1), Err(Code::OUT_OF_MEMORY));
        assert!(faults.at_allocation(0).is_ok());
        assert_eq!(faults.at_pinning(0), Ok(()));
        assert_eq!(faults.at_launch(0), Ok(None));
        assert_eq!(faults.at_launch(1), Ok(Some(KernelFault::Fail)));
        assert_eq!(faults.at_launch(1), Err(Code::OUT_OF_RESOURCES));
        assert_eq!(faults.at_pinning(0), Err(Code::OUT_OF_MEMORY));
        assert_eq!(faults.at_pinning(0), Ok(()));
    }

    #[test]
    fn chances_follow_the_seed() {
        let draw = |seed| -> Vec<bool> {
            let faults = Faults::parse("oom%0.3", seed, |_, _| {});
            (0..64).map(|_| faults.hit(0, |kind| kind == Kind::Oom).is_some()).collect()
        };
        assert_eq!(draw(5), draw(5));
        assert_ne!(draw(5), draw(6));
        let hits = draw(5).iter().filter(|hit| **hit).count();
        assert!((5..40).contains(&hits));
    }
}

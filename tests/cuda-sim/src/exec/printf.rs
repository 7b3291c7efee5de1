//! The device's run-time library: `printf` and assertions.

use super::block::Shared;
use super::fault::Trap;
use super::regs::each_lane;
use super::warp::Warp;
use crate::ir::program::{Builtin, NONE};
use crate::ptx::ast::Space;

/// Longest text read from a device.
const LONGEST: u64 = 4096;

impl Warp {
    /// A variable of the running frame.
    fn variable(&self, offset: u32, bytes: usize, lane: usize) -> u64 {
        let at = lane * self.local_stride + (self.frame.local + offset) as usize;
        let mut value = [0u8; 8];
        for (to, at) in value.iter_mut().take(bytes).zip(at..) {
            *to = (self.local[at / 8] >> (at % 8 * 8)) as u8;
        }
        u64::from_le_bytes(value)
    }

    fn read(
        &mut self,
        shared: &mut Shared<'_>,
        address: u64,
        bytes: u64,
        lane: usize,
    ) -> Option<u64> {
        let from = self.byte(shared, Space::Generic, address, bytes, lane, false).ok()?;
        let mut value = [0u8; 8];
        // SAFETY: `byte` checked the range.
        unsafe { std::ptr::copy(from, value.as_mut_ptr(), bytes as usize) };
        Some(u64::from_le_bytes(value))
    }

    fn text(&mut self, shared: &mut Shared<'_>, address: u64, lane: usize) -> String {
        let mut bytes = Vec::new();
        for at in address..address + LONGEST {
            match self.read(shared, at, 1, lane) {
                Some(byte) if byte != 0 => bytes.push(byte as u8),
                _ => break,
            }
        }
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Runs a function of the run-time library.
    pub(super) fn builtin(
        &mut self,
        shared: &mut Shared<'_>,
        which: Builtin,
        arguments: &[u32],
        result: u32,
        mask: u32,
    ) -> Result<(), Trap> {
        let argument = |at: usize| arguments.get(at).copied().unwrap_or(0);
        let mut printed = [0i64; 32];
        match which {
            Builtin::AssertFail => {
                let lane = mask.trailing_zeros() as usize;
                let message = self.text(shared, self.variable(argument(0), 8, lane), lane);
                let file = self.text(shared, self.variable(argument(1), 8, lane), lane);
                let line = self.variable(argument(2), 4, lane);
                let function = self.text(shared, self.variable(argument(3), 8, lane), lane);
                return Err(Trap::Assert(format!("{file}:{line}: {function}: {message}")));
            }
            Builtin::Printf => {
                let mut all = String::new();
                each_lane(mask, |lane| {
                    let format = self.variable(argument(0), 8, lane);
                    let values = self.variable(argument(1), 8, lane);
                    let text = self.formatted(shared, format, values, lane);
                    printed[lane] = text.len() as i64;
                    all.push_str(&text);
                });
                shared.launch.print(&all);
            }
            Builtin::Malloc | Builtin::Free => {}
        }
        if result != NONE {
            let place = self.frame_generic(result);
            each_lane(mask, |lane| {
                let bytes: u64 = if which == Builtin::Printf { 4 } else { 8 };
                if let Ok(to) = self.byte(shared, Space::Generic, place, bytes, lane, true) {
                    let value = printed[lane].to_le_bytes();
                    // SAFETY: `byte` checked the range.
                    unsafe { std::ptr::copy(value.as_ptr(), to, bytes as usize) };
                }
            });
        }
        Ok(())
    }

    /// `printf`'s text; arguments lie one after the other, each at a multiple of its size.
    fn formatted(
        &mut self,
        shared: &mut Shared<'_>,
        format: u64,
        values: u64,
        lane: usize,
    ) -> String {
        let format = self.text(shared, format, lane);
        let mut out = String::new();
        let mut at = values;
        let mut rest = format.chars().peekable();
        while let Some(c) = rest.next() {
            if c != '%' {
                out.push(c);
                continue;
            }
            let mut spec = String::new();
            let conversion = loop {
                match rest.next() {
                    Some(c) if c.is_ascii_alphabetic() && !matches!(c, 'l' | 'h' | 'z' | 'j') => {
                        break c;
                    }
                    Some('%') => break '%',
                    Some(c) => spec.push(c),
                    None => return out,
                }
            };
            if conversion == '%' {
                out.push('%');
                continue;
            }
            let long = spec.contains(['l', 'z', 'j']);
            let bytes =
                if long || matches!(conversion, 's' | 'p' | 'f' | 'e' | 'g') { 8 } else { 4 };
            at = at.next_multiple_of(bytes);
            let value = self.read(shared, at, bytes, lane).unwrap_or(0);
            at += bytes;
            let signed = if bytes == 4 { i64::from(value as i32) } else { value as i64 };
            let precision = spec
                .split('.')
                .nth(1)
                .and_then(|p| p.trim_matches(char::is_alphabetic).parse().ok());
            out.push_str(&match conversion {
                'd' | 'i' => signed.to_string(),
                'u' => value.to_string(),
                'x' => format!("{value:x}"),
                'X' => format!("{value:X}"),
                'p' => format!("{value:#x}"),
                'c' => char::from(value as u8).to_string(),
                's' => self.text(shared, value, lane),
                'e' => format!("{:e}", f64::from_bits(value)),
                _ => format!("{:.*}", precision.unwrap_or(6), f64::from_bits(value)),
            });
        }
        out
    }
}

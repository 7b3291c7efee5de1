//! What the kernel driver's errors mean.

/// What an Xid says about its device.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// A program went wrong, or nothing did: CUDA tells whoever is concerned.
    GoesOn,
    /// What this process has on the device is of no more use; a new context is.
    ContextBroken,
    /// The device needs a reset, or more.
    DeviceBroken,
}

/// The meaning of an Xid, by NVIDIA's list "XID Errors", for what a scheduler can do about it.
pub fn verdict(xid: u64) -> Verdict {
    match xid {
        // Memory errors that were contained: the programs that met them end.
        94 => Verdict::ContextBroken,
        // 46: it does not answer. 48, 64, 95, 140: memory errors that were not corrected, or rows
        // that could not be replaced. 61, 62, 119, 120: its own processors have halted. 74: NVLink.
        // 79: it has fallen off the bus. 154: it asks for a reset.
        46 | 48 | 61 | 62 | 64 | 74 | 79 | 95 | 119 | 120 | 140 | 154 => Verdict::DeviceBroken,
        _ => Verdict::GoesOn,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_errors_are_not_the_device_s() {
        let verdicts = [13, 31, 43, 45, 63, 94, 48, 79].map(verdict);
        let (on, context, device) =
            (Verdict::GoesOn, Verdict::ContextBroken, Verdict::DeviceBroken);
        assert_eq!(verdicts, [on, on, on, on, on, context, device, device]);
    }
}

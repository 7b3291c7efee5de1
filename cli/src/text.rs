//! Numbers as people read them.

use std::time::{Duration, SystemTime};

/// A span: `850 us`, `12.3 ms`, `4.56 s`, `3 min 20 s`.
pub fn span(span: Duration) -> String {
    let seconds = span.as_secs_f64();
    match seconds {
        s if s < 1e-3 => format!("{:.0} us", s * 1e6),
        s if s < 1.0 => format!("{:.1} ms", s * 1e3),
        s if s < 120.0 => format!("{s:.2} s"),
        s if s < 7200.0 => format!("{} min {} s", span.as_secs() / 60, span.as_secs() % 60),
        _ => format!("{} h {} min", span.as_secs() / 3600, span.as_secs() / 60 % 60),
    }
}

/// How long ago: `12 s ago`.
pub fn age(moment: SystemTime) -> String {
    let elapsed = SystemTime::now().duration_since(moment).unwrap_or_default();
    let seconds = elapsed.as_secs();
    match seconds {
        0..120 => format!("{seconds} s ago"),
        120..7200 => format!("{} min ago", seconds / 60),
        7200..172_800 => format!("{} h ago", seconds / 3600),
        _ => format!("{} d ago", seconds / 86_400),
    }
}

/// A size: `512 B`, `1.5 MiB`.
pub fn bytes(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let mut value = bytes as f64 / 1024.0;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    format!("{value:.1} {}", UNITS[unit])
}

/// A rate: `950/s`, `12.3 k/s`, `1.20 M/s`.
pub fn rate(per_second: f64) -> String {
    match per_second {
        r if r < 1e3 => format!("{r:.0}/s"),
        r if r < 1e6 => format!("{:.1} k/s", r / 1e3),
        r => format!("{:.2} M/s", r / 1e6),
    }
}

/// Thousandths as whole units: `1.5`.
pub fn milli(milli: u64) -> String {
    format!("{}", milli as f64 / 1000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_suit_the_size() {
        assert_eq!(bytes(1536), "1.5 KiB");
        assert_eq!(bytes(u64::MAX), "16384.0 PiB");
        assert_eq!(span(Duration::from_micros(1500)), "1.5 ms");
        assert_eq!(span(Duration::from_secs(200)), "3 min 20 s");
        assert_eq!(rate(12_345.0), "12.3 k/s");
        assert_eq!(milli(1500), "1.5");
    }
}

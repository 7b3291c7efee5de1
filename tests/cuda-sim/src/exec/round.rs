//! Directed rounding: the exact result is a nearest value and the sign of what it leaves out.

/// A rounding mode of floats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// To nearest, ties to even.
    Nearest,
    /// To zero.
    Zero,
    /// Down.
    Down,
    /// Up.
    Up,
}

impl Mode {
    /// The mode a modifier names.
    pub fn named(word: &str) -> Option<Self> {
        Some(match word {
            "rn" => Self::Nearest,
            "rz" => Self::Zero,
            "rm" => Self::Down,
            "rp" => Self::Up,
            _ => return None,
        })
    }

    /// The mode as a small number, for a place in an instruction.
    pub fn code(self) -> u32 {
        self as u32
    }

    /// The mode of a small number.
    pub fn of(code: u32) -> Self {
        [Self::Nearest, Self::Zero, Self::Down, Self::Up][code as usize & 3]
    }
}

/// The sum and its exact error (Knuth's two-sum).
fn two_sum(a: f64, b: f64) -> (f64, f64) {
    let sum = a + b;
    let bb = sum - a;
    (sum, (a - (sum - bb)) + (b - bb))
}

/// Moves a nearest `value` in the mode's direction, where `rest` (exact minus value) asks for it.
fn settle64(value: f64, rest: f64, mode: Mode) -> f64 {
    if !value.is_finite() || rest == 0.0 || rest.is_nan() {
        return value;
    }
    match mode {
        Mode::Nearest => value,
        Mode::Down if rest < 0.0 => value.next_down(),
        Mode::Up if rest > 0.0 => value.next_up(),
        Mode::Zero if value > 0.0 && rest < 0.0 => value.next_down(),
        Mode::Zero if value < 0.0 && rest > 0.0 => value.next_up(),
        _ => value,
    }
}

/// `value + rest` as single precision, `rest` far below `value`.
pub fn to_f32(value: f64, rest: f64, mode: Mode) -> f32 {
    let near = value as f32;
    if mode == Mode::Nearest || !value.is_finite() {
        return near;
    }
    let back = f64::from(near);
    let over = if back == value { -rest } else { back - value };
    match mode {
        Mode::Down if over > 0.0 => near.next_down(),
        Mode::Up if over < 0.0 => near.next_up(),
        Mode::Zero if over > 0.0 && near > 0.0 => near.next_down(),
        Mode::Zero if over < 0.0 && near < 0.0 => near.next_up(),
        _ => near,
    }
}

/// `a + b`.
pub fn add32(a: f32, b: f32, mode: Mode) -> f32 {
    if mode == Mode::Nearest {
        return a + b;
    }
    let (sum, rest) = two_sum(f64::from(a), f64::from(b));
    to_f32(sum, rest, mode)
}

/// `a * b`.
pub fn mul32(a: f32, b: f32, mode: Mode) -> f32 {
    if mode == Mode::Nearest {
        return a * b;
    }
    to_f32(f64::from(a) * f64::from(b), 0.0, mode)
}

/// `a * b + c`.
pub fn fma32(a: f32, b: f32, c: f32, mode: Mode) -> f32 {
    if mode == Mode::Nearest {
        return a.mul_add(b, c);
    }
    let (sum, rest) = two_sum(f64::from(a) * f64::from(b), f64::from(c));
    to_f32(sum, rest, mode)
}

/// `a / b`.
pub fn div32(a: f32, b: f32, mode: Mode) -> f32 {
    if mode == Mode::Nearest {
        return a / b;
    }
    let (a, b) = (f64::from(a), f64::from(b));
    let quotient = a / b;
    let rest = (-quotient).mul_add(b, a) * b.signum();
    to_f32(quotient, rest, mode)
}

/// The square root.
pub fn sqrt32(a: f32, mode: Mode) -> f32 {
    if mode == Mode::Nearest {
        return a.sqrt();
    }
    let root = f64::from(a).sqrt();
    to_f32(root, (-root).mul_add(root, f64::from(a)), mode)
}

/// `a + b`.
pub fn add64(a: f64, b: f64, mode: Mode) -> f64 {
    let (sum, rest) = two_sum(a, b);
    settle64(sum, rest, mode)
}

/// `a * b`.
pub fn mul64(a: f64, b: f64, mode: Mode) -> f64 {
    let product = a * b;
    settle64(product, a.mul_add(b, -product), mode)
}

/// `a * b + c`.
pub fn fma64(a: f64, b: f64, c: f64, mode: Mode) -> f64 {
    let value = a.mul_add(b, c);
    if mode == Mode::Nearest {
        return value;
    }
    let product = a * b;
    let low = a.mul_add(b, -product);
    let (sum, rest) = two_sum(product, c);
    settle64(value, (sum - value) + (rest + low), mode)
}

/// `a / b`.
pub fn div64(a: f64, b: f64, mode: Mode) -> f64 {
    let quotient = a / b;
    settle64(quotient, (-quotient).mul_add(b, a) * b.signum(), mode)
}

/// The square root.
pub fn sqrt64(a: f64, mode: Mode) -> f64 {
    let root = a.sqrt();
    settle64(root, (-root).mul_add(root, a), mode)
}

/// Rounds to an integer in floating point.
pub fn integral(value: f64, mode: Mode) -> f64 {
    match mode {
        Mode::Nearest => value.round_ties_even(),
        Mode::Zero => value.trunc(),
        Mode::Down => value.floor(),
        Mode::Up => value.ceil(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directed_results_enclose_the_exact_one() {
        let (a, b) = (1.0f32, 3.0f32);
        let (down, up) = (div32(a, b, Mode::Down), div32(a, b, Mode::Up));
        assert_eq!(down.next_up(), up);
        assert!(f64::from(down) < 1.0 / 3.0 && 1.0 / 3.0 < f64::from(up));
        assert_eq!(div32(-a, b, Mode::Zero), -down);
        assert_eq!(add32(1.0, 1e-30, Mode::Up), 1.0f32.next_up());
        assert_eq!(add32(1.0, -1e-30, Mode::Down), 1.0f32.next_down());
        assert_eq!(add32(1.0, 1e-30, Mode::Zero), 1.0);
        assert_eq!(fma64(1.0, 1.0, 1e-30, Mode::Up), 1.0f64.next_up());
    }
}

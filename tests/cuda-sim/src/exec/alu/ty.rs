//! The types that instructions name.

/// A type of an instruction; untyped bits are unsigned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are PTX's own")]
pub enum Ty {
    Pred,
    U8,
    S8,
    U16,
    S16,
    U32,
    S32,
    U64,
    S64,
    F16,
    Bf16,
    F32,
    F64,
    F16x2,
    Bf16x2,
    U16x2,
    S16x2,
    B128,
}

const CODES: [Ty; 12] = [
    Ty::U8,
    Ty::S8,
    Ty::U16,
    Ty::S16,
    Ty::U32,
    Ty::S32,
    Ty::U64,
    Ty::S64,
    Ty::F16,
    Ty::Bf16,
    Ty::F32,
    Ty::F64,
];

impl Ty {
    /// The type a word names.
    pub fn named(word: &str) -> Option<Self> {
        Some(match word {
            "pred" => Self::Pred,
            "b8" | "u8" => Self::U8,
            "s8" => Self::S8,
            "b16" | "u16" => Self::U16,
            "s16" => Self::S16,
            "b32" | "u32" => Self::U32,
            "s32" => Self::S32,
            "b64" | "u64" => Self::U64,
            "s64" => Self::S64,
            "f16" => Self::F16,
            "bf16" => Self::Bf16,
            "f32" | "tf32" => Self::F32,
            "f64" => Self::F64,
            "f16x2" => Self::F16x2,
            "bf16x2" => Self::Bf16x2,
            "u16x2" => Self::U16x2,
            "s16x2" => Self::S16x2,
            "b128" => Self::B128,
            _ => return None,
        })
    }

    /// Its size.
    pub fn bytes(self) -> usize {
        match self {
            Self::Pred | Self::U8 | Self::S8 => 1,
            Self::U16 | Self::S16 | Self::F16 | Self::Bf16 => 2,
            Self::U64 | Self::S64 | Self::F64 => 8,
            Self::B128 => 16,
            _ => 4,
        }
    }

    /// Whether a register of it takes two words.
    pub fn wide(self) -> bool {
        self.bytes() == 8
    }

    /// Whether it is a signed integer.
    pub fn signed(self) -> bool {
        matches!(self, Self::S8 | Self::S16 | Self::S32 | Self::S64)
    }

    /// Whether it is a float.
    pub fn float(self) -> bool {
        matches!(self, Self::F16 | Self::Bf16 | Self::F32 | Self::F64)
    }

    /// A small number for a scalar type.
    pub fn code(self) -> Option<u32> {
        CODES.iter().position(|ty| *ty == self).map(|at| at as u32)
    }

    /// The scalar type of a small number.
    pub fn of(code: u32) -> Self {
        CODES[code as usize % CODES.len()]
    }
}

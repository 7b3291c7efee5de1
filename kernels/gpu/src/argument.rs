//! What launches are given.

/// Memory on the device.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Buffer {
    /// An input of the call, by its place.
    Input(usize),
    /// An output, by its place.
    Output(usize),
    /// Memory for the plan alone, by its place in [`crate::Plan::scratch`].
    Scratch(usize),
    /// No memory: the null pointer.
    Nothing,
}

/// What a kernel is given for one of its parameters.
#[derive(Clone, PartialEq, Debug)]
#[allow(missing_docs)]
pub enum Argument {
    /// The address of memory.
    Address(Buffer),
    U8(u8),
    U16(u16),
    U32(u32),
    U64(u64),
    F32(f32),
    F64(f64),
    /// A structure of numbers of 64 bits.
    Longs(Vec<u64>),
    /// A structure of numbers of 32 bits.
    Ints(Vec<u32>),
}

impl Argument {
    /// The parameter's bytes, where it is not an address.
    pub fn bytes(&self) -> Option<Vec<u8>> {
        match self {
            Argument::Address(_) => None,
            Argument::U8(value) => Some(vec![*value]),
            Argument::U16(value) => Some(value.to_le_bytes().to_vec()),
            Argument::U32(value) => Some(value.to_le_bytes().to_vec()),
            Argument::U64(value) => Some(value.to_le_bytes().to_vec()),
            Argument::F32(value) => Some(value.to_le_bytes().to_vec()),
            Argument::F64(value) => Some(value.to_le_bytes().to_vec()),
            Argument::Longs(values) => Some(values.iter().flat_map(|v| v.to_le_bytes()).collect()),
            Argument::Ints(values) => Some(values.iter().flat_map(|v| v.to_le_bytes()).collect()),
        }
    }
}

impl From<Buffer> for Argument {
    fn from(buffer: Buffer) -> Self {
        Argument::Address(buffer)
    }
}

impl From<u64> for Argument {
    fn from(value: u64) -> Self {
        Argument::U64(value)
    }
}

impl From<u32> for Argument {
    fn from(value: u32) -> Self {
        Argument::U32(value)
    }
}

impl From<f64> for Argument {
    fn from(value: f64) -> Self {
        Argument::F64(value)
    }
}

/// The arguments of a launch, each of whatever converts to one.
macro_rules! arguments {
    ($($argument:expr),* $(,)?) => {
        vec![$($crate::argument::Argument::from($argument)),*]
    };
}

pub(crate) use arguments;

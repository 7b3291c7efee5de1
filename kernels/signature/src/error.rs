//! Why a kernel cannot be called with these inputs and attributes.

/// Why a kernel cannot be called so. Every message names the kernel and what is at fault.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[allow(missing_docs)]
pub enum SignatureError {
    #[error("{kernel}: takes {expected}, got {got}")]
    InputCount { kernel: &'static str, expected: String, got: usize },
    #[error("{kernel}, input {input}: must be {expected}, is {got}")]
    InputType { kernel: &'static str, input: String, expected: String, got: String },
    #[error("{kernel}: {message}: {inputs}")]
    Mismatch { kernel: &'static str, message: String, inputs: String },
    #[error("{kernel}: unknown attribute {attribute:?}; {advice}")]
    UnknownAttribute { kernel: &'static str, attribute: String, advice: String },
    #[error("{kernel}: attribute {attribute} is missing ({doc})")]
    MissingAttribute { kernel: &'static str, attribute: &'static str, doc: &'static str },
    #[error("{kernel}, attribute {attribute}: {message}")]
    BadAttribute { kernel: &'static str, attribute: &'static str, message: String },
    #[error("{kernel}, output {output}: {value_type} is larger than the limit of 1 TiB")]
    TooLarge { kernel: &'static str, output: &'static str, value_type: String },
}

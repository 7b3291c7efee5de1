//! The plans, a file for each family of kernels.

pub(crate) mod convolution;
pub(crate) mod elementwise;
pub(crate) mod fold;
pub(crate) mod gather;
pub(crate) mod image;
pub(crate) mod layout;
pub(crate) mod loss;
pub(crate) mod matmul;
pub(crate) mod optimizer;
pub(crate) mod order;
pub(crate) mod permutation;
pub(crate) mod pooling;
pub(crate) mod random;
pub(crate) mod reduce;
pub(crate) mod rows;
pub(crate) mod scan;
pub(crate) mod sort;

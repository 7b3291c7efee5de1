//! A test double of libnvidia-ml.

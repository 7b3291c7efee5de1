//! A test double of libcuda: the CUDA driver on CPUs.
//!
//! The library stands where libcuda does and runs PTX by interpreting it, so that programs and the real
//! [cudarc] can be tested on machines without a GPU. It is a test double and says so: the devices' names
//! contain `Simulated`.
//!
//! # Use
//!
//! The library's SONAME is `libcuda.so`, the first name that cudarc looks for. Load it by its path before
//! the first call of cudarc, and leave it loaded: [`client::Library::load`] with
//! [`client::library_path`] does that in tests whose package has this crate among its dev-dependencies
//! (Cargo then builds `libdrawloom_cuda_sim.so` beside the test's binary). All state belongs to the
//! process: one machine per process. NVRTC finds no `libcuda.so.1` here and works as without a driver.
//!
//! # Environment
//!
//! The machine (devices, memory, capability, names, links) is described by the variables of
//! [`drawloom_gpu_sim`]. `CUDA_VISIBLE_DEVICES` chooses among its devices, by number or UUID. Beside them:
//!
//! | variable | meaning | default |
//! |---|---|---|
//! | `DRAWLOOM_SIM_SEED` | of random choices | 0 |
//! | `DRAWLOOM_SIM_JITTER_US` | every operation of a stream waits up to that long before it starts, unless somebody waits for it: what nothing orders happens in another order | 0 |
//! | `DRAWLOOM_SIM_RACES` | races on shared memory: `off`, `report`, `fail` | `off` |
//! | `DRAWLOOM_SIM_ORDER` | `1` looks for work of streams on the same bytes that nothing orders | off |
//! | `DRAWLOOM_SIM_THREADS` | threads that run blocks | all processors |
//! | `DRAWLOOM_SIM_FAULTS` | faults to inject, see [`faults`] | none |
//! | `DRAWLOOM_SIM_LAUNCH_US` | time charged for a launch | 0 |
//! | `DRAWLOOM_SIM_INSTRUCTIONS_PER_S` | time charged for instructions of warps | none |
//! | `DRAWLOOM_SIM_BYTES_PER_S` | time charged for bytes of device memory | none |
//! | `DRAWLOOM_SIM_COPY_BYTES_PER_S` | time charged for copies between host and device | none |
//! | `DRAWLOOM_SIM_PEER_BYTES_PER_S` | time charged for copies between devices | none |
//! | `DRAWLOOM_SIM_RUN_KERNELS` | `0` runs no kernels: launches take the time charged and no more | on |
//! | `DRAWLOOM_SIM_QUIET` | `1` tells nothing on the standard error | off |
//!
//! # What it finds
//!
//! Accesses outside allocations, after their end, of other devices without peer access, or misaligned
//! break the context as on a device (`ILLEGAL_ADDRESS`, `MISALIGNED_ADDRESS`), and the standard error
//! tells kernel, line of the PTX, thread, address and the nearest allocation. Barriers that never open
//! end a kernel with `LAUNCH_TIMEOUT`. Races on shared memory and unordered work of streams are told
//! where that is switched on. Reports are kept: [`client::Library::reports`].
//!
//! # What it cannot show
//!
//! Weak memory ordering, real timing and occupancy, the last bits of approximate instructions and tensor
//! cores, what the driver's compiler makes of PTX. There are no textures, surfaces, clusters of more than
//! one block, `mbarrier`, bulk copies, `wgmma`, `tcgen05`, 8-bit floats, indirect calls or launches from a
//! device. Modules must be PTX, and graphs come from
//! captures, or are made of kernels.
//!
//! # cuBLAS
//!
//! The library exports the few functions of cuBLAS that multiply matrices, too, so that a program which
//! opens cuBLAS by a path can be given this one: products are computed by the host when the stream gets
//! there, column by column as cuBLAS defines them.
//!
//! # Inside
//!
//! [`ptx`] reads the text, [`ir`] turns it into a program whose opcodes are functions, [`exec`] runs it,
//! [`memory`] knows what is allocated, [`driver`] is the C interface.
//!
//! [cudarc]: https://docs.rs/cudarc

pub mod client;
pub mod counters;
pub mod driver;
pub mod exec;
pub mod faults;
pub mod ir;
pub mod memory;
pub mod nvrtc;
pub mod ptx;
pub mod report;
pub mod settings;

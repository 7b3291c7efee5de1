//! What an executor says of itself when it joins.

use crate::{Capacity, DeviceIndex, Labels, Taint};

/// An executor's announcement. Capacity is soft state: it is told anew at every connection.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct ExecutorInfo {
    /// A name for people: the host's name unless told otherwise.
    pub name: String,
    /// Where other executors and clients reach its objects, such as `http://127.0.0.1:7071` or
    /// `unix:/run/x.sock`; empty when it lives in the scheduler's process.
    pub address: String,
    /// Everything it offers.
    pub capacity: Capacity,
    /// Its devices, in the order of `capacity.devices`.
    pub devices: Vec<DeviceInfo>,
    /// Its memory nodes.
    pub numa_nodes: Vec<NumaNode>,
    /// Labels that tasks select by.
    pub labels: Labels,
    /// Marks that keep tasks away.
    pub taints: Vec<Taint>,
    /// The kernels it can run, in alphabetical order.
    pub kernels: Vec<String>,
    /// The types of native actors it can make, in alphabetical order.
    pub actors: Vec<String>,
    /// Whether it runs processes.
    pub runs_processes: bool,
    /// Whether it compiles CUDA C++. PTX needs no compiler.
    pub compiles_cuda: bool,
}

/// A device as people know it.
#[derive(Clone, PartialEq, Debug)]
pub struct DeviceInfo {
    /// The model's name.
    pub name: String,
    /// What it is.
    pub kind: DeviceKind,
    /// The NUMA node it is attached to, where known.
    pub numa_node: Option<u32>,
    /// Devices of the same executor to which it has a direct link.
    pub links: Vec<DeviceIndex>,
}

/// What a device is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DeviceKind {
    /// An NVIDIA GPU.
    Cuda,
}

/// A memory node and its cores.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NumaNode {
    /// Its number.
    pub id: u32,
    /// Its cores that the executor may use.
    pub cores: Vec<u32>,
    /// Its memory.
    pub memory_bytes: u64,
}

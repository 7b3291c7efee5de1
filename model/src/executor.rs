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
    /// Whether it is a simulation.
    pub is_simulated: bool,
    /// Its own name, such as `GPU-01234567-89ab-cdef-0123-456789abcdef`.
    pub uuid: String,
    /// Its place on the bus, such as `0000:01:00`.
    pub pci: String,
    /// The uuid of the device of which it is a slice (MIG), if it is one.
    pub slice_of: Option<String>,
    /// All of its memory, whoever uses it.
    pub memory_bytes: u64,
    /// The NUMA node it is attached to, where known.
    pub numa_node: Option<u32>,
    /// How it reaches other devices of the same executor, where known.
    pub links: Vec<DeviceLink>,
}

impl DeviceInfo {
    /// A device of which nothing but the model's name is known.
    pub fn named(name: impl Into<String>) -> Self {
        DeviceInfo {
            name: name.into(),
            kind: DeviceKind::Cuda,
            is_simulated: false,
            uuid: String::new(),
            pci: String::new(),
            slice_of: None,
            memory_bytes: 0,
            numa_node: None,
            links: Vec::new(),
        }
    }
}

/// The way from one device to another.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DeviceLink {
    /// The other device.
    pub to: DeviceIndex,
    /// How it is reached.
    pub kind: LinkKind,
}

/// What is between two devices, the fastest first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum LinkKind {
    /// An NVLink, or several through switches of their own.
    NvLink,
    /// PCIe switches alone.
    Switch,
    /// The host, within a memory node.
    Node,
    /// The host, across memory nodes.
    System,
}

impl LinkKind {
    /// Every kind.
    pub const ALL: [LinkKind; 4] =
        [LinkKind::NvLink, LinkKind::Switch, LinkKind::Node, LinkKind::System];

    /// The name used in output.
    pub const fn name(self) -> &'static str {
        match self {
            LinkKind::NvLink => "nvlink",
            LinkKind::Switch => "pcie_switch",
            LinkKind::Node => "numa_node",
            LinkKind::System => "system",
        }
    }
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

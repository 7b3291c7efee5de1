//! What executors say of themselves.

use drawloom_model::{
    Capacity, DeviceCapacity, DeviceIndex, DeviceInfo, DeviceKind, DeviceLink, ExecutorInfo,
    LinkKind, NumaNode, Taint,
};

use crate::field::{FieldError, each, narrow, optional};
use crate::v1;

impl From<&ExecutorInfo> for v1::ExecutorInfo {
    fn from(info: &ExecutorInfo) -> Self {
        let taint =
            |taint: &Taint| v1::Taint { key: taint.key.clone(), value: taint.value.clone() };
        v1::ExecutorInfo {
            name: info.name.clone(),
            address: info.address.clone(),
            capacity: Some((&info.capacity).into()),
            devices: info.devices.iter().map(Into::into).collect(),
            numa_nodes: info.numa_nodes.iter().map(Into::into).collect(),
            labels: info.labels.clone(),
            taints: info.taints.iter().map(taint).collect(),
            kernels: info.kernels.clone(),
            actors: info.actors.clone(),
            runs_processes: info.runs_processes,
            compiles_cuda: info.compiles_cuda,
        }
    }
}

impl TryFrom<v1::ExecutorInfo> for ExecutorInfo {
    type Error = FieldError;

    fn try_from(wire: v1::ExecutorInfo) -> Result<Self, FieldError> {
        let capacity: Capacity = optional(wire.capacity, "capacity")?.unwrap_or_default();
        let devices: Vec<DeviceInfo> = each(wire.devices, "devices", 0, DeviceInfo::try_from)?;
        if devices.len() != capacity.devices.len() {
            let message =
                format!("{} devices, but {} in capacity", devices.len(), capacity.devices.len());
            return Err(FieldError::new("devices", message));
        }
        let taint = |wire: v1::Taint| Taint { key: wire.key, value: wire.value };
        Ok(ExecutorInfo {
            name: wire.name,
            address: wire.address,
            capacity,
            devices,
            numa_nodes: wire.numa_nodes.into_iter().map(Into::into).collect(),
            labels: wire.labels,
            taints: wire.taints.into_iter().map(taint).collect(),
            kernels: wire.kernels,
            actors: wire.actors,
            runs_processes: wire.runs_processes,
            compiles_cuda: wire.compiles_cuda,
        })
    }
}

impl From<&Capacity> for v1::Capacity {
    fn from(capacity: &Capacity) -> Self {
        v1::Capacity {
            cpu_milli: capacity.cpu_milli,
            memory_bytes: capacity.memory_bytes,
            devices: capacity.devices.iter().map(Into::into).collect(),
            custom: capacity
                .custom
                .iter()
                .map(|(name, milli)| (name.to_string(), *milli))
                .collect(),
        }
    }
}

impl TryFrom<v1::Capacity> for Capacity {
    type Error = FieldError;

    fn try_from(wire: v1::Capacity) -> Result<Self, FieldError> {
        Ok(Capacity {
            cpu_milli: wire.cpu_milli,
            memory_bytes: wire.memory_bytes,
            devices: each(wire.devices, "devices", 0, DeviceCapacity::try_from)?,
            custom: wire.custom.into_iter().map(|(name, milli)| (name.into(), milli)).collect(),
        })
    }
}

impl From<&DeviceCapacity> for v1::DeviceCapacity {
    fn from(device: &DeviceCapacity) -> Self {
        v1::DeviceCapacity {
            milli: device.milli,
            vram_bytes: device.vram_bytes,
            compute_capability: device.compute_capability.into(),
        }
    }
}

impl TryFrom<v1::DeviceCapacity> for DeviceCapacity {
    type Error = FieldError;

    fn try_from(wire: v1::DeviceCapacity) -> Result<Self, FieldError> {
        Ok(DeviceCapacity {
            milli: wire.milli,
            vram_bytes: wire.vram_bytes,
            compute_capability: narrow(wire.compute_capability, "compute_capability")?,
        })
    }
}

impl From<&DeviceInfo> for v1::DeviceInfo {
    fn from(device: &DeviceInfo) -> Self {
        let kind = match device.kind {
            DeviceKind::Cuda => v1::DeviceKind::Cuda,
        };
        v1::DeviceInfo {
            name: device.name.clone(),
            kind: kind.into(),
            is_simulated: device.is_simulated,
            uuid: device.uuid.clone(),
            pci: device.pci.clone(),
            slice_of: device.slice_of.clone(),
            memory_bytes: device.memory_bytes,
            numa_node: device.numa_node,
            links: device.links.iter().map(|link| (*link).into()).collect(),
        }
    }
}

impl From<DeviceLink> for v1::DeviceLink {
    fn from(link: DeviceLink) -> Self {
        let kind = match link.kind {
            LinkKind::NvLink => v1::LinkKind::Nvlink,
            LinkKind::Switch => v1::LinkKind::Switch,
            LinkKind::Node => v1::LinkKind::Node,
            LinkKind::System => v1::LinkKind::System,
        };
        v1::DeviceLink { to: link.to.0.into(), kind: kind.into() }
    }
}

impl TryFrom<v1::DeviceLink> for DeviceLink {
    type Error = FieldError;

    fn try_from(wire: v1::DeviceLink) -> Result<Self, FieldError> {
        let kind = match v1::LinkKind::try_from(wire.kind) {
            Ok(v1::LinkKind::Nvlink) => LinkKind::NvLink,
            Ok(v1::LinkKind::Switch) => LinkKind::Switch,
            Ok(v1::LinkKind::Node) => LinkKind::Node,
            Ok(v1::LinkKind::System) => LinkKind::System,
            Ok(v1::LinkKind::Unspecified) => return Err(FieldError::new("kind", "must be set")),
            Err(unknown) => return Err(FieldError::new("kind", unknown)),
        };
        Ok(DeviceLink { to: DeviceIndex(narrow(wire.to, "to")?), kind })
    }
}

impl TryFrom<v1::DeviceInfo> for DeviceInfo {
    type Error = FieldError;

    fn try_from(wire: v1::DeviceInfo) -> Result<Self, FieldError> {
        let kind = match v1::DeviceKind::try_from(wire.kind) {
            Ok(v1::DeviceKind::Cuda) => DeviceKind::Cuda,
            Ok(v1::DeviceKind::Unspecified) => return Err(FieldError::new("kind", "must be set")),
            Err(unknown) => return Err(FieldError::new("kind", unknown)),
        };
        Ok(DeviceInfo {
            name: wire.name,
            kind,
            is_simulated: wire.is_simulated,
            uuid: wire.uuid,
            pci: wire.pci,
            slice_of: wire.slice_of,
            memory_bytes: wire.memory_bytes,
            numa_node: wire.numa_node,
            links: each(wire.links, "links", 0, DeviceLink::try_from)?,
        })
    }
}

impl From<&NumaNode> for v1::NumaNode {
    fn from(node: &NumaNode) -> Self {
        v1::NumaNode { id: node.id, cores: node.cores.clone(), memory_bytes: node.memory_bytes }
    }
}

impl From<v1::NumaNode> for NumaNode {
    fn from(wire: v1::NumaNode) -> Self {
        NumaNode { id: wire.id, cores: wire.cores, memory_bytes: wire.memory_bytes }
    }
}

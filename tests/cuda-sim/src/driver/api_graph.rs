//! `cuGraph*`: graphs that were captured, or made of kernels.

use std::ffi::{c_uint, c_ulonglong, c_void};
use std::sync::{Arc, Mutex};

use super::api_launch::KernelNode;
use super::api_stream::stream_of;
use super::capture::{Exec, Graph};
use super::context::healthy;
use super::error::{Code, give};
use super::handles;
use super::system::{EXECS, GRAPHS};
use super::work::Work;

/// Frees what the graph allocated when it runs again.
const AUTO_FREE: c_ulonglong = 1;
/// May be launched by a device.
const DEVICE_LAUNCH: c_ulonglong = 4;

fn check(flags: c_ulonglong) -> Result<(), Code> {
    let both = AUTO_FREE | DEVICE_LAUNCH;
    if flags > 15 || flags & both == both { Err(Code::INVALID_VALUE) } else { Ok(()) }
}

fn instantiate(graph: usize) -> Result<usize, Code> {
    let graph = GRAPHS.get(graph)?;
    let handle = handles::fresh();
    let nodes = Mutex::new(graph.nodes());
    EXECS.insert(handle, Arc::new(Exec { handle, nodes, graph }));
    Ok(handle)
}

api! {
    /// An empty graph.
    fn cuGraphCreate(graph: *mut usize, _flags: c_uint) {
        let handle = handles::fresh();
        let (nodes, allocated) = (Mutex::default(), Vec::new());
        let made = Graph { handle, nodes, context: healthy()?, allocated };
        GRAPHS.insert(handle, Arc::new(made));
        give(graph, handle)
    }

    /// Makes a graph ready to run.
    fn cuGraphInstantiateWithFlags(exec: *mut usize, graph: usize, flags: c_ulonglong) {
        check(flags)?;
        give(exec, instantiate(graph)?)
    }

    /// Makes a graph ready to run.
    fn cuGraphInstantiateWithParams(exec: *mut usize, graph: usize, _params: *mut c_void) {
        give(exec, instantiate(graph)?)
    }

    /// Runs a graph.
    fn cuGraphLaunch(exec: usize, stream: usize) {
        EXECS.get(exec)?.launch(&*stream_of(stream)?)
    }

    /// Moves a graph to its device: nothing to do.
    fn cuGraphUpload(exec: usize, stream: usize) {
        EXECS.get(exec)?;
        stream_of(stream).map(drop)
    }

    /// Replaces the work of a graph that can run.
    fn cuGraphExecUpdate_v2(exec: usize, graph: usize, _result: *mut c_void) {
        let (exec, graph) = (EXECS.get(exec)?, GRAPHS.get(graph)?);
        *exec.nodes.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = graph.nodes();
        Ok(())
    }

    /// Adds a kernel behind other nodes. The work of a graph runs in the order in which it was added.
    fn cuGraphAddKernelNode_v2(
        node: *mut usize,
        graph: usize,
        before: *const usize,
        count: usize,
        params: *const KernelNode,
    ) {
        let graph = GRAPHS.get(graph)?;
        let before = if count == 0 { &[] } else { std::slice::from_raw_parts(before, count) };
        let work = (*params).work()?;
        if work.kernel.context.handle != graph.context.handle {
            return Err(Code::INVALID_CONTEXT);
        }
        give(node, graph.add(before, Work::Kernel(Box::new(work)))?)
    }

    /// Lets a node of a graph that can run launch with other arguments. Runs that were launched are
    /// not affected.
    fn cuGraphExecKernelNodeSetParams_v2(exec: usize, node: usize, params: *const KernelNode) {
        EXECS.get(exec)?.set(node, (*params).work()?)
    }

    /// Nodes of a graph.
    fn cuGraphGetNodes(graph: usize, nodes: *mut usize, count: *mut usize) {
        let graph = GRAPHS.get(graph)?;
        let known = graph.nodes();
        if !nodes.is_null() && !count.is_null() {
            for (at, node) in known.iter().take(*count).enumerate() {
                *nodes.add(at) = node.handle;
            }
        }
        give(count, known.len())
    }

    /// Ends a graph.
    fn cuGraphDestroy(graph: usize) { GRAPHS.remove(graph).map(drop) }

    /// Ends a graph that can run.
    fn cuGraphExecDestroy(exec: usize) { EXECS.remove(exec).map(drop) }
}

//! `cuGraph*`: graphs that were captured.

use std::ffi::{c_uint, c_ulonglong, c_void};
use std::sync::{Arc, Mutex};

use super::api_stream::stream_of;
use super::capture::{Exec, Graph};
use super::context::healthy;
use super::error::{Code, give};
use super::handles;
use super::system::{EXECS, GRAPHS};

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
    let work = Mutex::new(graph.work.clone());
    EXECS.insert(handle, Arc::new(Exec { handle, work, graph }));
    Ok(handle)
}

api! {
    /// An empty graph.
    fn cuGraphCreate(graph: *mut usize, _flags: c_uint) {
        let handle = handles::fresh();
        let made = Graph { handle, work: Vec::new(), context: healthy()?, allocated: Vec::new() };
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
        *exec.work.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = graph.work.clone();
        Ok(())
    }

    /// Nodes of a graph: only their number is told.
    fn cuGraphGetNodes(graph: usize, nodes: *mut usize, count: *mut usize) {
        let graph = GRAPHS.get(graph)?;
        if !nodes.is_null() && !count.is_null() {
            for at in 0..graph.work.len().min(*count) {
                *nodes.add(at) = graph.handle + at + 1;
            }
        }
        give(count, graph.work.len())
    }

    /// Ends a graph.
    fn cuGraphDestroy(graph: usize) { GRAPHS.remove(graph).map(drop) }

    /// Ends a graph that can run.
    fn cuGraphExecDestroy(exec: usize) { EXECS.remove(exec).map(drop) }
}

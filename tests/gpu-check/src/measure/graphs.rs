//! What launches cost as CUDA graphs: chains of kernels that are launched at once. Executors use none:
//! `docs/decisions/0012-no-graphs.md` says why, and these figures would tell where that is wrong.

use std::ffi::{c_int, c_void};
use std::ptr;
use std::sync::Arc;

use cudarc::driver::{CudaFunction, CudaStream, DriverError, sys};
use cudarc::nvrtc::Ptx;

use super::launches::NOTHING;
use super::{Bench, Figure, MeasureError, micros, timed};

/// Kernels of a long chain; a short one has one.
const CHAIN: u32 = 16;
/// Older drivers lack the functions.
const LEAST_VERSION: c_int = 12_000;

impl Bench {
    pub(super) fn graphs(&self) -> Result<Vec<Figure>, MeasureError> {
        self.context.bind_to_thread()?;
        let mut version = 0;
        // SAFETY: there is room for the number.
        unsafe { sys::cuDriverGetVersion(&mut version) }.result()?;
        if version < LEAST_VERSION {
            return Ok(Vec::new());
        }
        let module = self.context.load_module(Ptx::from_src(NOTHING))?;
        let nothing = module.load_function("nothing")?;
        let stream = self.context.new_stream()?;
        let mut figures = Vec::new();
        for (kernels, words) in [(1, "one kernel"), (CHAIN, "chain of 16 kernels")] {
            let chain = Chain::new(&nothing, &stream, kernels)?;
            let repeats = (self.effort.launches / kernels).max(1);
            let again = timed(&stream, repeats, || Ok(chain.launch()?))?;
            let aimed = timed(&stream, repeats, || {
                chain.aim()?;
                Ok(chain.launch()?)
            })?;
            for (name, time, note) in [
                ("as a graph", again, "the same again, for each kernel"),
                ("as a graph, re-aimed", aimed, "with other arguments, for each kernel"),
            ] {
                let each = micros(time, repeats * kernels);
                figures.push(Figure::new(format!("{words} {name}"), each, "us", note));
            }
        }
        Ok(figures)
    }
}

/// Empty kernels, each behind the one before.
struct Chain<'f> {
    function: &'f CudaFunction,
    stream: Arc<CudaStream>,
    graph: sys::CUgraph,
    exec: sys::CUgraphExec,
    nodes: Vec<sys::CUgraphNode>,
}

impl<'f> Chain<'f> {
    fn new(
        function: &'f CudaFunction,
        stream: &Arc<CudaStream>,
        kernels: u32,
    ) -> Result<Self, DriverError> {
        let mut chain = Chain {
            function,
            stream: Arc::clone(stream),
            graph: ptr::null_mut(),
            exec: ptr::null_mut(),
            nodes: Vec::new(),
        };
        // SAFETY: there is room for the handle.
        unsafe { sys::cuGraphCreate(&mut chain.graph, 0) }.result()?;
        for _ in 0..kernels {
            let before: Vec<_> = chain.nodes.last().copied().into_iter().collect();
            let (mut node, graph) = (ptr::null_mut(), chain.graph);
            chain.with_params(|params| {
                // SAFETY: the graph and the nodes before are there, and so are the arguments, which
                // are copied.
                let added = unsafe {
                    sys::cuGraphAddKernelNode_v2(
                        &mut node,
                        graph,
                        before.as_ptr(),
                        before.len(),
                        params,
                    )
                };
                added.result()
            })?;
            chain.nodes.push(node);
        }
        // SAFETY: the graph is there, and room for the handle.
        unsafe { sys::cuGraphInstantiateWithFlags(&mut chain.exec, chain.graph, 0) }.result()?;
        Ok(chain)
    }

    /// What a node launches.
    fn with_params<T>(&self, f: impl FnOnce(&sys::CUDA_KERNEL_NODE_PARAMS) -> T) -> T {
        let mut unused = 0u64;
        let mut arguments = [ptr::from_mut(&mut unused).cast::<c_void>()];
        f(&sys::CUDA_KERNEL_NODE_PARAMS {
            func: self.function.cu_function(),
            gridDimX: 1,
            gridDimY: 1,
            gridDimZ: 1,
            blockDimX: 32,
            blockDimY: 1,
            blockDimZ: 1,
            sharedMemBytes: 0,
            kernelParams: arguments.as_mut_ptr(),
            extra: ptr::null_mut(),
            kern: ptr::null_mut(),
            ctx: ptr::null_mut(),
        })
    }

    /// Gives every kernel other arguments, as a call with other memory needs.
    fn aim(&self) -> Result<(), DriverError> {
        self.with_params(|params| {
            self.nodes.iter().try_for_each(|node| {
                // SAFETY: the handles are the chain's, and arguments are copied.
                unsafe { sys::cuGraphExecKernelNodeSetParams_v2(self.exec, *node, params) }.result()
            })
        })
    }

    fn launch(&self) -> Result<(), DriverError> {
        // SAFETY: the handles are the chain's.
        unsafe { sys::cuGraphLaunch(self.exec, self.stream.cu_stream()) }.result()
    }
}

impl Drop for Chain<'_> {
    fn drop(&mut self) {
        // What is on its way goes on without the handles.
        if !self.exec.is_null() {
            // SAFETY: nobody else has it.
            let _ = unsafe { sys::cuGraphExecDestroy(self.exec) };
        }
        if !self.graph.is_null() {
            // SAFETY: nobody else has it.
            let _ = unsafe { sys::cuGraphDestroy(self.graph) };
        }
    }
}

//! Launches and occupancy.

use std::ffi::{c_int, c_uint, c_void};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::api_stream::stream_of;
use super::error::{Code, give};
use super::kernel::Kernel;
use super::limits;
use super::system::{KERNELS, System};
use super::work::{KernelWork, Work};
use crate::report;

/// What `cuLaunchKernelEx` is given.
#[repr(C)]
pub struct LaunchConfig {
    grid: [c_uint; 3],
    block: [c_uint; 3],
    shared: c_uint,
    stream: usize,
    attributes: *const LaunchAttribute,
    count: c_uint,
}

/// An attribute of a launch; its value has 64 bytes.
#[repr(C)]
pub struct LaunchAttribute {
    id: c_uint,
    _pad: c_uint,
    value: [u32; 16],
}

/// What nodes of graphs are given to launch.
#[repr(C)]
pub struct KernelNode {
    function: usize,
    grid: [c_uint; 3],
    block: [c_uint; 3],
    shared: c_uint,
    arguments: *mut *mut c_void,
    extra: *mut *mut c_void,
    kernel: usize,
    context: usize,
}

struct Shape {
    grid: [u32; 3],
    block: [u32; 3],
    shared: u32,
    cooperative: bool,
}

fn check(kernel: &Kernel, shape: &Shape) -> Result<(), Code> {
    let bad = |text: String| {
        report::tell("launch", &format!("kernel {}: {text}", kernel.function().name));
        Code::INVALID_VALUE
    };
    let (grid, block) = (shape.grid, shape.block);
    if grid.contains(&0) || block.contains(&0) {
        return Err(bad(format!("an axis is zero: grid {grid:?}, block {block:?}")));
    }
    if grid[0] > i32::MAX as u32 || grid[1] > 65_535 || grid[2] > 65_535 {
        return Err(bad(format!("grid {grid:?} is beyond the limits")));
    }
    let threads = block.iter().try_fold(1u32, |product, axis| product.checked_mul(*axis));
    let most = kernel.max_threads();
    if threads.is_none_or(|threads| threads > most) || block[2] > 64 {
        return Err(bad(format!("block {block:?} is beyond the limit of {most} threads")));
    }
    let fixed = kernel.function().shared_bytes;
    if shape.shared > kernel.dynamic_limit()
        || shape.shared + fixed > limits::opt_in_shared(kernel.context.device.spec.capability)
        || (kernel.dynamic_limit() == limits::DEFAULT_SHARED
            && shape.shared + fixed > limits::DEFAULT_SHARED)
    {
        return Err(bad(format!(
            "{} bytes of dynamic and {fixed} bytes of static shared memory are beyond the limit",
            shape.shared
        )));
    }
    if shape.cooperative {
        let blocks: u64 = grid.iter().map(|axis| u64::from(*axis)).product();
        let fit = u64::from(resident(kernel, threads.unwrap_or(1), shape.shared))
            * u64::from(kernel.context.device.spec.multiprocessors);
        if blocks > fit {
            return Err(Code::COOPERATIVE_TOO_LARGE);
        }
    }
    Ok(())
}

/// Blocks that fit on a multiprocessor.
fn resident(kernel: &Kernel, threads: u32, shared: u32) -> u32 {
    let capability = kernel.context.device.spec.capability;
    let warps = threads.div_ceil(32).max(1);
    let by_threads = limits::multiprocessor_threads(capability) / 32 / warps;
    let bytes = kernel.function().shared_bytes + shared;
    let by_shared =
        limits::multiprocessor_shared(capability).checked_div(bytes + 1024).unwrap_or(u32::MAX);
    let by_shared = if bytes == 0 { u32::MAX } else { by_shared };
    let registers = kernel.function().registers.clamp(16, 64);
    let by_registers = 65_536 / (registers * warps * 32);
    by_threads.min(by_shared).min(by_registers).min(limits::multiprocessor_blocks(capability))
}

/// # Safety
/// `arguments` points to as many pointers as the kernel has parameters, or `extra` to a list as the
/// driver wants it.
unsafe fn params(
    kernel: &Kernel,
    arguments: *mut *mut c_void,
    extra: *mut *mut c_void,
) -> Result<Vec<u64>, Code> {
    let function = kernel.function();
    let mut block = vec![0u64; (function.param_bytes as usize).div_ceil(8)];
    let bytes = block.as_mut_ptr().cast::<u8>();
    if function.params.is_empty() {
        return Ok(block);
    }
    if !arguments.is_null() {
        for (at, param) in function.params.iter().enumerate() {
            // SAFETY: the caller passes a pointer for each parameter.
            unsafe {
                let from = *arguments.add(at);
                if from.is_null() {
                    return Err(Code::INVALID_VALUE);
                }
                let to = bytes.add(param.offset as usize);
                std::ptr::copy_nonoverlapping(from.cast::<u8>(), to, param.bytes as usize);
            }
        }
        return Ok(block);
    }
    if extra.is_null() {
        return Err(Code::INVALID_VALUE);
    }
    let (mut buffer, mut size, mut at) = (std::ptr::null_mut(), 0usize, 0);
    // SAFETY: the list is pairs of a key and a value, ended by a null key.
    unsafe {
        loop {
            match *extra.add(at) as usize {
                0 => break,
                1 => buffer = *extra.add(at + 1),
                2 => size = *(*extra.add(at + 1)).cast::<usize>(),
                _ => return Err(Code::INVALID_VALUE),
            }
            at += 2;
        }
        if buffer.is_null() || size > block.len() * 8 {
            return Err(Code::INVALID_VALUE);
        }
        std::ptr::copy_nonoverlapping(buffer.cast::<u8>(), bytes, size);
    }
    Ok(block)
}

/// # Safety
/// As for [`params`].
unsafe fn launch(
    function: usize,
    shape: Shape,
    stream: usize,
    arguments: *mut *mut c_void,
    extra: *mut *mut c_void,
) -> Result<(), Code> {
    let kernel = KERNELS.get(function)?;
    let stream = stream_of(stream)?;
    if kernel.context.handle != stream.context.handle {
        report::tell(
            "launch",
            &format!(
                "kernel {} and its stream belong to different contexts",
                kernel.function().name
            ),
        );
        return Err(Code::INVALID_HANDLE);
    }
    if stream.context.device.lost.load(Ordering::Acquire) {
        return Err(Code::UNKNOWN);
    }
    // SAFETY: as for the caller.
    let mut work = unsafe { work(kernel, &shape, arguments, extra) }?;
    // Captured launches meet their faults when the graph runs.
    if !stream.captured.load(Ordering::Acquire) {
        work.fault = System::get().faults.at_launch(stream.context.device.ordinal)?;
    }
    stream.submit(Work::Kernel(Box::new(work)))
}

/// # Safety
/// As for [`params`].
unsafe fn work(
    kernel: Arc<Kernel>,
    shape: &Shape,
    arguments: *mut *mut c_void,
    extra: *mut *mut c_void,
) -> Result<KernelWork, Code> {
    check(&kernel, shape)?;
    // SAFETY: as for the caller.
    let params = unsafe { params(&kernel, arguments, extra) }?;
    Ok(KernelWork {
        kernel,
        grid: shape.grid,
        block: shape.block,
        dynamic_shared: shape.shared,
        params,
        cooperative: shape.cooperative,
        fault: None,
    })
}

impl KernelNode {
    /// What it launches.
    ///
    /// # Safety
    /// Its arguments are such as the kernel takes.
    pub unsafe fn work(&self) -> Result<KernelWork, Code> {
        let kernel = KERNELS.get(self.function)?;
        let shape =
            Shape { grid: self.grid, block: self.block, shared: self.shared, cooperative: false };
        // SAFETY: as the caller promises.
        unsafe { work(kernel, &shape, self.arguments, self.extra) }
    }
}

fn best_block(kernel: &Kernel, dynamic: usize, limit: c_int) -> (c_int, c_int) {
    let most = if limit <= 0 { 1024 } else { (limit as u32).min(1024) }.min(kernel.max_threads());
    let best = (1..=most / 32)
        .map(|warps| warps * 32)
        .max_by_key(|threads| (resident(kernel, *threads, dynamic as u32) * threads, *threads));
    let threads = best.unwrap_or(most);
    let blocks =
        resident(kernel, threads, dynamic as u32) * kernel.context.device.spec.multiprocessors;
    (blocks as c_int, threads as c_int)
}

api! {
    /// Launches a kernel.
    fn cuLaunchKernel(
        function: usize,
        grid_x: c_uint, grid_y: c_uint, grid_z: c_uint,
        block_x: c_uint, block_y: c_uint, block_z: c_uint,
        shared: c_uint,
        stream: usize,
        arguments: *mut *mut c_void,
        extra: *mut *mut c_void,
    ) {
        let shape = Shape {
            grid: [grid_x, grid_y, grid_z],
            block: [block_x, block_y, block_z],
            shared,
            cooperative: false,
        };
        launch(function, shape, stream, arguments, extra)
    }

    /// Launches a kernel whose blocks wait for each other.
    fn cuLaunchCooperativeKernel(
        function: usize,
        grid_x: c_uint, grid_y: c_uint, grid_z: c_uint,
        block_x: c_uint, block_y: c_uint, block_z: c_uint,
        shared: c_uint,
        stream: usize,
        arguments: *mut *mut c_void,
    ) {
        let shape = Shape {
            grid: [grid_x, grid_y, grid_z],
            block: [block_x, block_y, block_z],
            shared,
            cooperative: true,
        };
        launch(function, shape, stream, arguments, std::ptr::null_mut())
    }

    /// Launches a kernel with attributes.
    fn cuLaunchKernelEx(
        config: *const LaunchConfig,
        function: usize,
        arguments: *mut *mut c_void,
        extra: *mut *mut c_void,
    ) {
        let config = config.as_ref().ok_or(Code::INVALID_VALUE)?;
        let mut cooperative = false;
        for at in 0..config.count as usize {
            let attribute = &*config.attributes.add(at);
            cooperative |= attribute.id == 2 && attribute.value[0] != 0;
        }
        let shape = Shape { grid: config.grid, block: config.block, shared: config.shared, cooperative };
        launch(function, shape, config.stream, arguments, extra)
    }

    /// Blocks that fit on a multiprocessor.
    fn cuOccupancyMaxActiveBlocksPerMultiprocessor(
        blocks: *mut c_int, function: usize, threads: c_int, shared: usize,
    ) {
        give(blocks, resident(&*KERNELS.get(function)?, threads as u32, shared as u32) as c_int)
    }

    /// Blocks that fit on a multiprocessor.
    fn cuOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(
        blocks: *mut c_int, function: usize, threads: c_int, shared: usize, _flags: c_uint,
    ) {
        give(blocks, resident(&*KERNELS.get(function)?, threads as u32, shared as u32) as c_int)
    }

    /// A block that fills a device.
    fn cuOccupancyMaxPotentialBlockSize(
        grid: *mut c_int, block: *mut c_int, function: usize,
        to_shared: Option<unsafe extern "C" fn(c_int) -> usize>, shared: usize, limit: c_int,
    ) {
        let _ = to_shared;
        let (blocks, threads) = best_block(&*KERNELS.get(function)?, shared, limit);
        give(grid, blocks)?;
        give(block, threads)
    }

    /// A block that fills a device.
    fn cuOccupancyMaxPotentialBlockSizeWithFlags(
        grid: *mut c_int, block: *mut c_int, function: usize,
        to_shared: Option<unsafe extern "C" fn(c_int) -> usize>, shared: usize, limit: c_int, _flags: c_uint,
    ) {
        let _ = to_shared;
        let (blocks, threads) = best_block(&*KERNELS.get(function)?, shared, limit);
        give(grid, blocks)?;
        give(block, threads)
    }

    /// Dynamic shared memory left beside so many blocks.
    fn cuOccupancyAvailableDynamicSMemPerBlock(
        bytes: *mut usize, function: usize, blocks: c_int, _threads: c_int,
    ) {
        let kernel = KERNELS.get(function)?;
        let all = limits::multiprocessor_shared(kernel.context.device.spec.capability);
        let each = all / blocks.max(1) as u32;
        give(bytes, each.saturating_sub(kernel.function().shared_bytes + 1024) as usize)
    }

    /// Clusters that fit: a cluster is one block here.
    fn cuOccupancyMaxActiveClusters(clusters: *mut c_int, function: usize, _config: *const c_void) {
        KERNELS.get(function)?;
        give(clusters, 1)
    }

    /// The largest cluster: one block.
    fn cuOccupancyMaxPotentialClusterSize(size: *mut c_int, function: usize, _config: *const c_void) {
        KERNELS.get(function)?;
        give(size, 1)
    }
}

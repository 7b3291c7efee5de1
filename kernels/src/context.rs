//! Where a kernel computes: its cores, and the flag that stops it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use rayon::ThreadPool;

use crate::KernelError;

/// How many elements a core takes at a time: enough to hide the cost of taking them, few enough
/// to notice soon that the task is cancelled.
pub(crate) const CHUNK: usize = 32 * 1024;

/// The cores that a task was given, and the flag that stops it.
#[derive(Clone, Copy)]
pub struct CpuContext<'a> {
    cores: usize,
    cancel: &'a AtomicBool,
    pool: Option<&'a ThreadPool>,
}

impl<'a> CpuContext<'a> {
    /// A context of `cores` cores, served by threads of `pool`; without one, or with one core,
    /// everything runs on the calling thread. Setting `cancel` stops kernels between chunks.
    pub fn new(cores: usize, cancel: &'a AtomicBool, pool: Option<&'a ThreadPool>) -> Self {
        let pool = pool.filter(|_| cores > 1);
        CpuContext { cores: if pool.is_some() { cores } else { 1 }, cancel, pool }
    }

    /// How many threads compute at a time.
    pub fn cores(&self) -> usize {
        self.cores
    }

    /// Fails when the task is cancelled.
    pub(crate) fn check_cancelled(&self) -> Result<(), KernelError> {
        if self.cancel.load(Ordering::Relaxed) { Err(KernelError::Cancelled) } else { Ok(()) }
    }

    /// Calls `run` with every item, on as many threads as there are cores, until cancelled.
    pub(crate) fn for_each<I>(
        &self,
        items: I,
        run: impl Fn(I::Item) + Sync,
    ) -> Result<(), KernelError>
    where
        I: Iterator + Send,
        I::Item: Send,
    {
        let few = items.size_hint().1.is_some_and(|most| most <= 1);
        let Some(pool) = self.pool.filter(|_| !few) else {
            for item in items {
                self.check_cancelled()?;
                run(item);
            }
            return self.check_cancelled();
        };
        // A pool may have more threads than this task has cores: one job a core takes items.
        let items = Mutex::new(items);
        let next = || items.lock().unwrap_or_else(PoisonError::into_inner).next();
        let work = || {
            while let Some(item) = next() {
                if self.check_cancelled().is_err() {
                    return;
                }
                run(item);
            }
        };
        pool.scope(|scope| {
            for _ in 1..self.cores {
                scope.spawn(|_| work());
            }
            work();
        });
        self.check_cancelled()
    }

    /// Calls `run` where rayon's parallel operations use the task's threads.
    pub(crate) fn install<R: Send>(&self, run: impl FnOnce() -> R + Send) -> R {
        match self.pool {
            Some(pool) => pool.install(run),
            None => run(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;

    #[test]
    fn no_more_threads_than_cores_take_part() {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(4).build().expect("a pool");
        let cancel = AtomicBool::new(false);
        let context = CpuContext::new(2, &cancel, Some(&pool));
        let (active, most, ran) = (AtomicUsize::new(0), AtomicUsize::new(0), AtomicUsize::new(0));
        let count = |_| {
            most.fetch_max(active.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            std::thread::yield_now();
            ran.fetch_add(1, Ordering::SeqCst);
            active.fetch_sub(1, Ordering::SeqCst);
        };
        assert_eq!(context.for_each(0..1000, count), Ok(()));
        assert_eq!(ran.into_inner(), 1000);
        assert!(most.into_inner() <= 2);
    }

    #[test]
    fn without_a_pool_the_calling_thread_computes() {
        let cancel = AtomicBool::new(false);
        let here = std::thread::current().id();
        let context = CpuContext::new(8, &cancel, None);
        assert_eq!(context.cores(), 1);
        let check = |_| assert_eq!(std::thread::current().id(), here);
        assert_eq!(context.for_each(0..10, check), Ok(()));
    }

    #[test]
    fn cancelling_stops_between_items() {
        let cancel = AtomicBool::new(false);
        let context = CpuContext::new(1, &cancel, None);
        let ran = AtomicUsize::new(0);
        let count = |item| {
            ran.fetch_add(1, Ordering::SeqCst);
            cancel.store(item == 3, Ordering::SeqCst);
        };
        assert_eq!(context.for_each(0..1000, count), Err(KernelError::Cancelled));
        assert_eq!(ran.into_inner(), 4);
    }
}

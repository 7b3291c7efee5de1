//! Threads that help with launches. The thread that launches works too, so a launch never waits for a
//! helper that is busy elsewhere.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, OnceLock, PoisonError};

type Job = Box<dyn FnOnce(usize) + Send>;

struct Pool {
    jobs: Mutex<VecDeque<Job>>,
    wake: Condvar,
    helpers: usize,
}

static POOL: OnceLock<Pool> = OnceLock::new();

fn pool() -> &'static Pool {
    static STARTED: OnceLock<()> = OnceLock::new();
    let pool = POOL.get_or_init(|| Pool {
        jobs: Mutex::default(),
        wake: Condvar::new(),
        helpers: crate::settings::get().threads.saturating_sub(1),
    });
    STARTED.get_or_init(|| {
        for helper in 0..pool.helpers {
            let work = move || {
                loop {
                    let mut jobs = pool.jobs.lock().unwrap_or_else(PoisonError::into_inner);
                    while jobs.is_empty() {
                        jobs = pool.wake.wait(jobs).unwrap_or_else(PoisonError::into_inner);
                    }
                    let job = jobs.pop_front();
                    drop(jobs);
                    if let Some(job) = job {
                        job(helper + 1);
                    }
                }
            };
            let name = format!("sim-helper-{helper}");
            // Without a helper the launching thread does all the work.
            let _ = std::thread::Builder::new().name(name).spawn(work);
        }
    });
    pool
}

/// Counts helpers that are at work.
#[derive(Default)]
struct Open {
    count: Mutex<usize>,
    changed: Condvar,
}

/// Calls `work` on this thread and on every free helper; returns when all are done.
pub fn help<T: Send + Sync + 'static>(
    what: &Arc<T>,
    work: impl Fn(&T, usize) + Send + Sync + Copy + 'static,
) {
    let pool = pool();
    let open = Arc::new(Open::default());
    for _ in 0..pool.helpers {
        let (what, open) = (Arc::downgrade(what), Arc::clone(&open));
        let job: Job = Box::new(move |worker| {
            // The launch may be over before a helper comes.
            *open.count.lock().unwrap_or_else(PoisonError::into_inner) += 1;
            if let Some(what) = what.upgrade() {
                work(&what, worker);
            }
            *open.count.lock().unwrap_or_else(PoisonError::into_inner) -= 1;
            open.changed.notify_all();
        });
        pool.jobs.lock().unwrap_or_else(PoisonError::into_inner).push_back(job);
        pool.wake.notify_one();
    }
    work(what, 0);
    let mut count = open.count.lock().unwrap_or_else(PoisonError::into_inner);
    while *count > 0 {
        count = open.changed.wait(count).unwrap_or_else(PoisonError::into_inner);
    }
}

//! Objects on their way here, for those who would take them further.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use drawloom_model::ObjectKey;
use tokio::sync::watch;

/// Fetches on their way.
#[derive(Clone, Default)]
pub(crate) struct Arrivals(Arc<Mutex<HashMap<ObjectKey, watch::Receiver<()>>>>);

/// A fetch on its way. It is over, well or badly, when this is dropped.
pub(crate) struct Expected {
    arrivals: Arrivals,
    object: ObjectKey,
    _over: watch::Sender<()>,
}

impl Arrivals {
    /// A fetch begins.
    pub(crate) fn expect(&self, object: ObjectKey) -> Expected {
        let (over, waiting) = watch::channel(());
        self.lock().insert(object, waiting);
        Expected { arrivals: self.clone(), object, _over: over }
    }

    /// Waits while the object is on its way; at once where it is not.
    pub(crate) async fn wait(&self, object: ObjectKey) {
        let waiting = self.lock().get(&object).cloned();
        if let Some(mut waiting) = waiting {
            // Nothing is ever sent: the error tells that the fetch is over.
            let _ = waiting.changed().await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<ObjectKey, watch::Receiver<()>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Expected {
    fn drop(&mut self) {
        self.arrivals.lock().remove(&self.object);
    }
}

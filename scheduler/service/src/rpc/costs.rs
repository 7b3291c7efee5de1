//! Measured costs as a list.

use drawloom_proto::{FieldError, Rejection, v1};
use drawloom_scheduler_core::Scheduler;

use super::paging::{page_size, page_token, token};
use crate::handle::Handle;
use crate::rejection;

/// Lists what was measured. A page's token is the place of its first way.
pub(super) async fn list(
    handle: &Handle,
    request: v1::ListCostsRequest,
) -> Result<v1::ListCostsReply, Rejection> {
    let size = page_size(request.page_size);
    let from = page_token(&request.page_token)?.unwrap_or(0);
    let from = usize::try_from(from)
        .map_err(|_| FieldError::new("page_token", "it is not from a reply"))?;
    let page = move |scheduler: &mut Scheduler, _| scheduler.measured_costs(from, size);
    let (costs, next) = handle.query(page).await.map_err(rejection::stopped)?;
    let next_page_token = next.map_or_else(String::new, |next| token(next as u64));
    Ok(v1::ListCostsReply { costs: costs.iter().map(Into::into).collect(), next_page_token })
}

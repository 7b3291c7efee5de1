//! Objects as a list.

use drawloom_model::ObjectKey;
use drawloom_proto::{FieldError, Rejection, v1};
use drawloom_scheduler_core::{Refusal, Scheduler};

use super::job_id;
use super::paging::page_size;
use crate::handle::Handle;
use crate::{rejection, wire};

/// Lists what was put and what executors hold. A page's token is the key of its last object.
pub(super) async fn list(
    handle: &Handle,
    request: v1::ListObjectsRequest,
) -> Result<v1::ListObjectsReply, Rejection> {
    let size = page_size(request.page_size);
    let after = page_token(&request.page_token)?;
    let job = match request.job.as_str() {
        "" => None,
        job => Some(job_id(job)?),
    };
    let page = move |scheduler: &mut Scheduler, _| {
        let key = job.map(|job| scheduler.job_key(job).ok_or(Refusal::UnknownJob { job }));
        Ok(scheduler.objects_after(after, key.transpose()?, size + 1))
    };
    let page: Result<_, Refusal> = handle.query(page).await.map_err(rejection::stopped)?;
    let mut page = page.map_err(|refusal| rejection::refused(&refusal))?;
    let more = page.len() > size;
    page.truncate(size);
    let last = page.last().filter(|_| more);
    let next_page_token = last.map_or_else(String::new, |last| token(last.summary.key));
    let objects = page.into_iter().map(wire::listed_object).collect();
    Ok(v1::ListObjectsReply { objects, next_page_token })
}

fn page_token(text: &str) -> Result<Option<ObjectKey>, FieldError> {
    if text.is_empty() {
        return Ok(None);
    }
    let bad = |_| FieldError::new("page_token", format_args!("{text:?} is not from a reply"));
    u128::from_str_radix(text, 16).map(|bits| Some(ObjectKey::from_bits(bits))).map_err(bad)
}

fn token(key: ObjectKey) -> String {
    format!("{:x}", key.to_bits())
}

use std::{pin::pin, sync::Arc};

use tokio::time::sleep;

use super::{
    JwksError, Source,
    lifetime::lifetime,
    schedule::{Action, Schedule, Success},
    set::Keys,
    shared::{Shared, Span},
};
use crate::{Answer, FetchError};

/// Keeps the set fresh, for ever; dropping the future ends a fetch that is under way.
pub(super) async fn run(shared: Arc<Shared>, source: impl Source) {
    let mut schedule = Schedule::new(&shared.config);
    loop {
        let now = shared.clock.now();
        match schedule.plan(shared.asked(), now) {
            Action::Fetch => fetch(&shared, &source, &mut schedule).await,
            Action::Forget => {
                shared.forget();
                schedule.forgot();
            }
            Action::WaitUntil(then) => tokio::select! {
                () = sleep(then.saturating_since(now)) => {}
                () = shared.wake.notified() => {}
            },
        }
    }
}

async fn fetch(shared: &Shared, source: &impl Source, schedule: &mut Schedule) {
    let begun = shared.clock.now();
    let answer = answer(shared, source, schedule).await;
    let ended = shared.clock.now();
    let set = answer.map_err(JwksError::from).and_then(|answer| {
        let fault = |fault| JwksError::KeySet { host: Arc::clone(&shared.host), fault };
        Ok((Keys::parse(&answer.body).map_err(fault)?, lifetime(&answer.headers, &shared.config)))
    });
    match set {
        Ok((keys, lifetime)) => {
            let end = schedule.succeeded(Success { begun, ended, lifetime }, rand::random());
            shared.replace(keys, Span { begun, fresh_until: begun + lifetime, end });
        }
        Err(error) => {
            schedule.failed(ended, rand::random());
            shared.keep(schedule.failures(), error);
        }
    }
}

/// Waits for the answer; a set that becomes too old meanwhile is forgotten in time.
async fn answer(
    shared: &Shared,
    source: &impl Source,
    schedule: &mut Schedule,
) -> Result<Answer, FetchError> {
    let mut fetching = pin!(source.fetch());
    while let Some(end) = schedule.end_of_set() {
        let now = shared.clock.now();
        if now >= end {
            shared.forget();
            schedule.forgot();
            break;
        }
        tokio::select! {
            biased;
            answer = &mut fetching => return answer,
            () = sleep(end.saturating_since(now)) => {}
        }
    }
    fetching.await
}

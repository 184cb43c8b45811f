use super::super::Sweeper;
use super::*;
use crate::settings::ServerSettings;

#[test]
fn one_of_the_last_places_is_kept_for_seconds_whatever_its_client_does() {
    let sweeper = Arc::new(Sweeper::new());
    let limits = ServerSettings::default().limits;
    sweeper.look(1000, &limits);
    let [silent, shaking, busy, usual] = [(); 4].map(|()| sweeper.watch());
    shaking.watch.handshake_began();
    for reserved in [&silent, &shaking, &busy] {
        reserved.watch.reserve();
    }
    let mut ended = [None; 4];
    for now in (1100..6000).step_by(100) {
        // One request after the other, as over HTTP/2.
        busy.watch.request_began();
        busy.watch.request_ended();
        sweeper.look(now, &limits);
        for (ended, one) in ended.iter_mut().zip([&silent, &shaking, &busy, &usual]) {
            *ended = ended.or(one.watch.is_closed().then_some(now));
        }
    }
    assert_eq!(ended, [Some(2000), Some(2000), Some(4000), None]);
    assert!(busy.watch.is_last());
}

//! That the simulated parts do what the stories rely on: wires that are cut carry nothing, and a lease that passes ends a server.

use crate::cluster::{Cluster, DEADLINE, identity, member};
use crate::wires::Wires;
use berth_agent::peers::Link;
use berth_agent::runtime::Clock;
use berth_agent::supervise::Supervisor;
use berth_core::Term;
use berth_core::election::{Event, Message};
use berth_core::topology::Phase;
use berth_testkit::eventually;
use std::time::Duration;
use tokio::sync::mpsc;

#[test]
fn a_wire_carries_each_way_until_that_way_is_cut() {
    let wires = Wires::default();
    let (to_a, mut a) = mpsc::channel(4);
    let (to_b, mut b) = mpsc::channel(4);
    wires.hear(member('a'), "a1:5433".to_owned(), to_a);
    wires.hear(member('b'), "b1:5433".to_owned(), to_b);
    let (from_a, from_b) = (wires.link(identity('a')), wires.link(identity('b')));
    // Both speak; says who of the two was heard.
    let mut speak = |term| {
        let message = Message::Gone { term: Term(term) };
        from_a.send(&member('b'), "b1:5433", message.clone());
        from_b.send(&member('a'), "a1:5433", message.clone());
        let heard = |ear: &mut mpsc::Receiver<Event>, name| {
            let event = ear.try_recv().ok()?;
            assert_eq!(event, Event::Heard { from: identity(name), message: message.clone() });
            Some(name)
        };
        [heard(&mut b, 'a'), heard(&mut a, 'b')]
    };
    assert_eq!(speak(1), [Some('a'), Some('b')]);
    wires.cut_one_way(&member('a'), &member('b'));
    assert_eq!(speak(2), [None, Some('b')]);
    wires.cut(&member('a'), &member('b'));
    assert_eq!(speak(3), [None, None]);
    wires.mend();
    assert_eq!(speak(4), [Some('a'), Some('b')]);
    from_a.send(&member('c'), "b1:5433", Message::Gone { term: Term(5) });
    from_a.send(&member('b'), "b2:5433", Message::Gone { term: Term(5) });
    assert!(b.try_recv().is_err(), "an address that is another member's, or nobody's, carries nothing");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lease_that_passes_ends_the_server_and_is_forgotten_with_it() {
    let mut cluster = Cluster::serving("a", 0).await;
    let until = Clock.now().after(Duration::from_millis(300));
    let warden = cluster.warden('a');
    warden.lease(Some(until));
    cluster.until_rule("the next term", |rule| rule.term == Term(2) && rule.phase == Phase::Serving).await;
    assert!(Clock.now() >= until);
    cluster.write().await;

    // One that was taken back ends nobody: a server that it ended would have to be written to in the next term.
    let until = Clock.now().after(Duration::from_millis(300));
    warden.lease(Some(until));
    warden.lease(None);
    let past = until.after(Duration::from_millis(200));
    eventually(DEADLINE, "the lease to have passed", || async { Clock.now() > past }).await.unwrap();
    cluster.write().await;
    assert_eq!(cluster.rule().await.unwrap().term, Term(2));
}

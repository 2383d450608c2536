//! Agents that speak over real TLS on loopback, and those that must not be heard.

mod world;

use super::*;
use berth_core::election::Event;
use berth_testkit::eventually;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_util::task::TaskTracker;
use world::{Authority, DEADLINE, Node, deadline, ended, gone, meet, member, uid};

fn other_uid() -> berth_core::ClusterUid {
    berth_core::ClusterUid::new("uid-2").unwrap()
}

#[tokio::test]
async fn members_hear_each_other_in_order_and_by_name() {
    let authority = Authority::new();
    let (mut a, mut b) = (Node::new(&authority, 'a').await, Node::new(&authority, 'b').await);
    for number in 1..=5 {
        a.link.send(&member('b'), &b.address, gone(number));
    }
    for number in 1..=5 {
        assert_eq!(b.hears().await, Event::Heard { from: a.me.identity.clone(), message: gone(number) });
    }
    b.link.send(&member('a'), &a.address, gone(6));
    assert_eq!(a.hears().await, Event::Heard { from: b.me.identity.clone(), message: gone(6) });
}

#[tokio::test]
async fn only_other_members_of_the_cluster_are_let_in() {
    let authority = Authority::new();
    let mut b = Node::new(&authority, 'b').await;
    let strangers = [
        ("another authority's", Authority::new().member('a', &uid())),
        ("another cluster's", authority.member('a', &other_uid())),
        ("the proxy's", authority.issue("berth-proxy.berth-system.svc")),
        ("a longer cluster's", authority.issue("orders-aaaaa.uid-1.members.berth.internal.example")),
        ("its own", authority.member('b', &uid())),
    ];
    for (whose, identity) in strangers {
        assert!(meet(&identity, &b).await.is_err(), "{whose} certificate was taken");
    }
    let mut plain = TcpStream::connect(&b.address).await.unwrap();
    plain.write_all(b"{\"version\":1}\n").await.unwrap();
    ended(plain).await;

    let mut a = meet(&authority.member('a', &uid()), &b).await.unwrap();
    let line = envelope::write(&world::identity('a'), &gone(1)).unwrap();
    a.write_all(line.as_bytes()).await.unwrap();
    assert_eq!(b.hears().await, Event::Heard { from: world::identity('a'), message: gone(1) });
    assert!(b.heard.is_empty(), "and nothing was heard of the others");
}

#[tokio::test]
async fn who_speaks_for_another_or_sends_garbage_is_heard_no_further() {
    let authority = Authority::new();
    let b = Node::new(&authority, 'b').await;
    let identity = authority.member('a', &uid());
    let good = envelope::write(&world::identity('a'), &gone(9)).unwrap();
    let for_another = envelope::write(&world::identity('c'), &gone(1)).unwrap();
    let padded = good.replacen('{', &format!("{{\"padding\":\"{}\",", "x".repeat(envelope::LONGEST_LINE)), 1);
    let bad: [&[u8]; 6] = [
        for_another.as_bytes(),
        padded.as_bytes(),
        &[b'x'; 2 * envelope::LONGEST_LINE],
        b"\xff\xfe\n",
        b"\n",
        b"GET / HTTP/1.1\n",
    ];
    for line in bad {
        let mut a = meet(&identity, &b).await.unwrap();
        // The ear may be gone before all of it is written.
        let _cut = a.write_all(line).await;
        let _cut = a.write_all(good.as_bytes()).await;
        let _cut = a.flush().await;
        ended(a).await;
        assert!(b.heard.is_empty(), "{:?}", String::from_utf8_lossy(line));
    }
}

#[tokio::test]
async fn what_only_other_versions_say_is_passed_over_on_a_connection_that_goes_on() {
    let authority = Authority::new();
    let mut b = Node::new(&authority, 'b').await;
    let mut a = meet(&authority.member('a', &uid()), &b).await.unwrap();
    let good = envelope::write(&world::identity('a'), &gone(1)).unwrap();
    let later = good.replace("\"gone\"", "\"applaud\"");
    let far = good.replace("\"version\":1", "\"version\":3");
    assert!(later != good && far != good);
    for line in [&later, &later, &far, &good] {
        a.write_all(line.as_bytes()).await.unwrap();
    }
    a.flush().await.unwrap();
    assert_eq!(b.hears().await, Event::Heard { from: world::identity('a'), message: gone(1) });
}

#[tokio::test]
async fn nothing_is_said_to_another_member_at_a_recycled_address() {
    let authority = Authority::new();
    let a = Node::new(&authority, 'a').await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    for other in [
        authority.member('c', &uid()),
        authority.member('b', &other_uid()),
        Authority::new().member('b', &uid()),
    ] {
        a.link.send(&member('b'), &address, gone(1));
        let (tcp, _) = deadline(listener.accept()).await.unwrap();
        let met = deadline(TlsAcceptor::from(other.server()).accept(tcp)).await;
        assert!(met.is_err(), "the handshake went on: {met:?}");
    }
    let itself = authority.member('b', &uid());
    // What was to be said when the last handshake failed may be forgotten with it, so that it has to be said again.
    let again = async {
        loop {
            a.link.send(&member('b'), &address, gone(2));
            if let Ok(accepted) = timeout(Duration::from_millis(50), listener.accept()).await {
                break accepted;
            }
        }
    };
    let (tcp, _) = deadline(again).await.unwrap();
    let mut met = deadline(TlsAcceptor::from(itself.server()).accept(tcp)).await.unwrap();
    met.write_all(b"\n").await.unwrap();
    let mut first = [0; 11];
    deadline(met.read_exact(&mut first)).await.unwrap();
    assert_eq!(&first, b"{\"version\":");
}

#[tokio::test]
async fn a_member_that_restarts_is_heard_by_and_hears_again() {
    let authority = Authority::new();
    let (mut a, b) = (Node::new(&authority, 'a').await, Node::new(&authority, 'b').await);
    let mut b = Some(b);
    for number in 1..=3 {
        let mut node = b.take().unwrap();
        // Messages may be lost meanwhile; whoever decides repeats them.
        eventually(DEADLINE, "the member to hear", || {
            a.link.send(&member('b'), &node.address, gone(number));
            std::future::ready(node.heard.try_recv().is_ok())
        })
        .await
        .unwrap();
        eventually(DEADLINE, "the member to be heard", || {
            node.link.send(&member('a'), &a.address, gone(number));
            std::future::ready(a.heard.try_recv().is_ok())
        })
        .await
        .unwrap();
        let address = node.stop().await;
        b = Some(Node::at(&authority, 'b', &uid(), &address).await);
    }
}

#[tokio::test]
async fn a_member_that_does_not_answer_keeps_nothing_from_the_others() {
    let authority = Authority::new();
    let a = Node::new(&authority, 'a').await;
    let mut c = Node::new(&authority, 'c').await;
    // The system takes the connection, and nobody ever answers on it.
    let mute = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = mute.local_addr().unwrap().to_string();
    for number in 1..=1000 {
        a.link.send(&member('b'), &address, gone(number));
    }
    let (mut tried, _) = deadline(mute.accept()).await.unwrap();
    for number in 1..=5 {
        a.link.send(&member('b'), &address, gone(number));
        a.link.send(&member('c'), &c.address, gone(number));
        assert_eq!(c.hears().await, Event::Heard { from: a.me.identity.clone(), message: gone(number) });
    }
    // Nobody there, no number, nobody of that name: all the same.
    for nobody in ["127.0.0.1:9", "", "orders-bbbbb:5433", "[::1", "127.0.0.1"] {
        a.link.send(&member('b'), nobody, gone(6));
    }
    a.link.send(&member('c'), &c.address, gone(6));
    assert_eq!(c.hears().await, Event::Heard { from: a.me.identity.clone(), message: gone(6) });
    let mut hello = Vec::new();
    deadline(tried.read_to_end(&mut hello)).await.unwrap();
    assert!(!hello.is_empty(), "the handshake had begun, and was given up when the address changed");
}

#[tokio::test]
async fn a_changed_address_takes_the_place_of_the_old_and_nothing_old_is_said_there() {
    let authority = Authority::new();
    let a = Node::new(&authority, 'a').await;
    let mut b = Node::new(&authority, 'b').await;
    let mute = TcpListener::bind("127.0.0.1:0").await.unwrap();
    a.link.send(&member('b'), &mute.local_addr().unwrap().to_string(), gone(1));
    let (tried, _) = deadline(mute.accept()).await.unwrap();
    a.link.send(&member('b'), &b.address, gone(2));
    assert_eq!(b.hears().await, Event::Heard { from: a.me.identity.clone(), message: gone(2) });
    ended(tried).await;
}

#[tokio::test]
async fn what_a_member_could_not_be_told_in_time_it_is_not_told_late() {
    let authority = Authority::new();
    let a = Node::new(&authority, 'a').await;
    let mute = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = mute.local_addr().unwrap().to_string();
    a.link.send(&member('b'), &address, gone(1));
    let (tried, _) = deadline(mute.accept()).await.unwrap();
    a.link.send(&member('b'), &address, gone(2));
    drop((tried, mute));
    let mut b = Node::at(&authority, 'b', &uid(), &address).await;
    let first = eventually(DEADLINE, "the member to hear", || {
        a.link.send(&member('b'), &address, gone(3));
        std::future::ready(b.heard.try_recv().ok())
    });
    let first = first.await.unwrap();
    assert_eq!(first, Event::Heard { from: a.me.identity.clone(), message: gone(3) });
}

#[tokio::test]
async fn a_members_newest_connection_takes_the_place_of_the_one_before() {
    let authority = Authority::new();
    let mut b = Node::new(&authority, 'b').await;
    let identity = authority.member('a', &uid());
    let first = meet(&identity, &b).await.unwrap();
    let mut second = meet(&identity, &b).await.unwrap();
    let other = meet(&authority.member('c', &uid()), &b).await.unwrap();
    ended(first).await;
    let line = envelope::write(&world::identity('a'), &gone(1)).unwrap();
    second.write_all(line.as_bytes()).await.unwrap();
    assert_eq!(b.hears().await, Event::Heard { from: world::identity('a'), message: gone(1) });
    drop(other);
}

#[tokio::test]
async fn those_who_do_not_say_who_they_are_are_few_and_soon_gone() {
    let authority = Authority::new();
    let a = Node::new(&authority, 'a').await;
    let mut b = Node::new(&authority, 'b').await;
    let mut silent = Vec::new();
    for _ in 0..8 {
        silent.push(TcpStream::connect(&b.address).await.unwrap());
    }
    ended(TcpStream::connect(&b.address).await.unwrap()).await;
    let kept = silent[0].try_read(&mut [0]).unwrap_err();
    assert_eq!(kept.kind(), std::io::ErrorKind::WouldBlock, "it is the last that was refused");
    for one in silent {
        ended(one).await;
    }
    a.link.send(&member('b'), &b.address, gone(1));
    assert_eq!(b.hears().await, Event::Heard { from: a.me.identity.clone(), message: gone(1) });
}

#[tokio::test]
async fn an_agent_that_ends_still_says_its_last_words() {
    let authority = Authority::new();
    let mut b = Node::new(&authority, 'b').await;
    let tasks = TaskTracker::new();
    let from = world::identity('a');
    let link = TlsLink::new(from.clone(), uid(), authority.member('a', &uid()), tasks.clone());
    let mute = TcpListener::bind("127.0.0.1:0").await.unwrap();
    link.send(&member('c'), &mute.local_addr().unwrap().to_string(), gone(1));
    link.send(&member('b'), &b.address, gone(1));
    drop(link);
    tasks.close();
    deadline(tasks.wait()).await;
    assert_eq!(b.hears().await, Event::Heard { from, message: gone(1) });
}

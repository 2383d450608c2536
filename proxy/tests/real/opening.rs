//! The first bytes of connections, as no well-behaved client sends them.

use crate::raw;
use crate::world::World;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

const USER: &[(&str, &str)] = &[("user", "app@shop/orders")];

#[tokio::test(flavor = "multi_thread")]
async fn bytes_behind_the_request_for_tls_end_the_connection() {
    let (_world, _database, proxy) = World::serving().await;
    let mut tcp = TcpStream::connect(proxy.tenants).await.unwrap();
    let smuggled = [raw::SSL_REQUEST, &raw::startup([0, 3, 0, 0], USER)].concat();
    tcp.write_all(&smuggled).await.unwrap();
    let answer = String::from_utf8_lossy(&raw::rest(&mut tcp).await).into_owned();
    assert!(answer.contains("received unencrypted data after SSL request"), "{answer:?}");
    assert!(!answer.contains("SCRAM"), "{answer:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn gssapi_is_declined_and_tls_follows() {
    let (world, _database, proxy) = World::serving().await;
    let mut tcp = TcpStream::connect(proxy.tenants).await.unwrap();
    tcp.write_all(raw::GSS_REQUEST).await.unwrap();
    assert_eq!(raw::take::<1>(&mut tcp).await, *b"N");
    tcp.write_all(raw::SSL_REQUEST).await.unwrap();
    assert_eq!(raw::take::<1>(&mut tcp).await, *b"S");
    let mut tls = raw::tls(tcp, &world.authority_file(), "localhost", &[]).await.unwrap();
    tls.write_all(&raw::startup([0, 3, 0, 0], USER)).await.unwrap();
    assert_eq!(raw::message(&mut tls).await.0, b'R');
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_may_come_first_if_it_names_the_protocol() {
    let (world, _database, proxy) = World::serving().await;
    let connect = || TcpStream::connect(proxy.tenants);
    let authority = world.authority_file();
    let mut named =
        raw::tls(connect().await.unwrap(), &authority, "localhost", &[b"postgresql"]).await.unwrap();
    named.write_all(&raw::startup([0, 3, 0, 0], USER)).await.unwrap();
    assert_eq!(raw::message(&mut named).await.0, b'R');
    if let Ok(mut unnamed) = raw::tls(connect().await.unwrap(), &authority, "localhost", &[]).await {
        let _ = unnamed.write_all(&raw::startup([0, 3, 0, 0], USER)).await;
        assert_eq!(raw::rest(&mut unnamed).await, b"", "without ALPN the connection ends");
    }
    assert!(raw::tls(connect().await.unwrap(), &authority, "localhost", &[b"h2"]).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn encryption_is_not_asked_for_twice() {
    let (world, _database, proxy) = World::serving().await;
    let mut tcp = TcpStream::connect(proxy.tenants).await.unwrap();
    tcp.write_all(raw::SSL_REQUEST).await.unwrap();
    assert_eq!(raw::take::<1>(&mut tcp).await, *b"S");
    let mut tls = raw::tls(tcp, &world.authority_file(), "localhost", &[]).await.unwrap();
    tls.write_all(raw::SSL_REQUEST).await.unwrap();
    let answer = String::from_utf8_lossy(&raw::rest(&mut tls).await).into_owned();
    assert!(answer.contains("08P01"), "{answer:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn versions_that_are_not_spoken_are_refused_or_negotiated() {
    let (world, _database, _) = World::serving().await;
    let proxy = world.proxy(&["--allow-plaintext"]).await;
    let open = async |version: [u8; 4], parameters: &[(&str, &str)]| {
        let mut tcp = TcpStream::connect(proxy.tenants).await.unwrap();
        tcp.write_all(&raw::startup(version, parameters)).await.unwrap();
        tcp
    };
    let old = raw::rest(&mut open([0, 2, 0, 0], USER).await).await;
    assert_eq!(old, b"Eunsupported frontend protocol 2.0: server supports 3.0 to 3.2\n\0");
    let four = raw::rest(&mut open([0, 4, 0, 0], USER).await).await;
    assert!(String::from_utf8_lossy(&four).contains("0A000"));
    for quiet in [[0, 3, 0, 0], [0, 3, 0, 2]] {
        assert_eq!(raw::message(&mut open(quiet, USER).await).await.0, b'R');
    }
    let mut newer = open([0, 3, 0x27, 0x0f], USER).await;
    assert_eq!(raw::message(&mut newer).await, (b'v', b"\0\x03\0\x02\0\0\0\0".to_vec()));
    assert_eq!(raw::message(&mut newer).await.0, b'R');
    let with_option = [USER, &[("_pq_.dream", "1")]].concat();
    let mut dreamer = open([0, 3, 0, 0], &with_option).await;
    assert_eq!(raw::message(&mut dreamer).await, (b'v', b"\0\x03\0\0\0\0\0\x01_pq_.dream\0".to_vec()));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_says_nothing_or_too_much_is_shown_out() {
    let (world, _database, _) = World::serving().await;
    let proxy = world.proxy(&["--login-seconds=1", "--strangers-most=3"]).await;
    let mut silent = Vec::new();
    for _ in 0..3 {
        silent.push(TcpStream::connect(proxy.tenants).await.unwrap());
    }
    berth_testkit::eventually(crate::world::DEADLINE, "a fourth stranger is turned away", || async {
        let mut fourth = TcpStream::connect(proxy.tenants).await.unwrap();
        raw::rest(&mut fourth).await;
        raw::get(proxy.admin, "/metrics").await.contains("arrival=\"TooMany\"")
    })
    .await
    .unwrap();
    for mut one in silent {
        assert_eq!(raw::rest(&mut one).await, b"", "silence is ended in time");
    }
    let mut much = TcpStream::connect(proxy.tenants).await.unwrap();
    much.write_all(b"\x7f\xff\xff\xff").await.unwrap();
    assert_eq!(raw::rest(&mut much).await, b"");
}

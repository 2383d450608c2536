//! Who gets in: every sslmode, channel binding, and everything that must look like a wrong password.

use crate::database::Database;
use crate::raw;
use crate::world::{DEADLINE, World, say};
use berth_core::topology::{Admission, Phase};

#[tokio::test(flavor = "multi_thread")]
async fn every_sslmode_that_uses_tls_gets_in_and_disable_is_told_why_not() {
    let (world, _database, proxy) = World::serving().await;
    for mode in ["prefer", "require", "verify-ca", "verify-full"] {
        let said = say(world.psql(proxy.tenants, "SELECT current_user").env("PGSSLMODE", mode)).await;
        assert_eq!((said.out.as_str(), said.err.as_str()), ("app", ""), "{mode}");
    }
    for mode in ["disable", "allow"] {
        let said = say(world.psql(proxy.tenants, "SELECT 1").env("PGSSLMODE", mode)).await;
        if mode == "disable" {
            assert!(said.err.contains("this server demands TLS"), "{said:?}");
            assert!(said.err.contains("sslmode=require"), "{said:?}");
        } else {
            assert!(said.success, "allow tries TLS after the refusal: {said:?}");
        }
    }
    let open = world.proxy(&["--allow-plaintext"]).await;
    for mode in ["disable", "allow", "prefer", "require", "verify-ca", "verify-full"] {
        let said = say(world.psql(open.tenants, "SELECT current_user").env("PGSSLMODE", mode)).await;
        assert_eq!(said.out, "app", "{mode}: {said:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn channel_binding_is_there_in_tls_and_only_there() {
    let (world, _database, _) = World::serving().await;
    let proxy = world.proxy(&["--allow-plaintext"]).await;
    for (mode, binding, success) in [
        ("verify-full", "require", true),
        ("verify-full", "disable", true),
        ("disable", "prefer", true),
        ("disable", "require", false),
    ] {
        let mut psql = world.psql(proxy.tenants, "SELECT 1");
        let said = say(psql.env("PGSSLMODE", mode).env("PGCHANNELBINDING", binding)).await;
        assert_eq!(said.success, success, "{mode} {binding}: {said:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_exist_looks_like_a_wrong_password() {
    let (world, _database, proxy) = World::serving().await;
    let stock = Database::start(&world.authority, "uid-stock", "stock-bbbbb", 1).await;
    stock.sql("postgres", "ALTER ROLE app PASSWORD 'secret-of-stock'");
    world.route("shop/stock", &stock, 1, Phase::Serving, Admission::ReadWrite).await;
    let found = || async {
        let said = say(world
            .psql(proxy.tenants, "SELECT 1")
            .envs([("PGUSER", "app@shop/stock"), ("PGPASSWORD", "secret-of-stock")]))
        .await;
        if said.success { Ok(()) } else { Err(said.err) }
    };
    berth_testkit::eventually(DEADLINE, "the second cluster is known", found).await.unwrap();

    for (user, password) in [
        ("app@shop/orders", "wrong"),
        ("app@shop/orders", "secret-of-stock"),
        ("app@shop/orders", "secret-web"),
        ("nobody@shop/orders", "secret-app"),
        ("app@shop/unknown", "secret-app"),
        ("app@Not a namespace/orders", "secret-app"),
        ("idle@shop/orders", "secret-idle"),
        ("late@shop/orders", "secret-late"),
        ("plain@shop/orders", "secret-app"),
        ("berth@shop/orders", "secret-berth"),
        ("berth_proxy@shop/orders", "secret-app"),
    ] {
        let said =
            say(world.psql(proxy.tenants, "SELECT 1").envs([("PGUSER", user), ("PGPASSWORD", password)]))
                .await;
        let words = said.err.rsplit("failed: ").next().unwrap().to_owned();
        let expected = format!("FATAL:  password authentication failed for user \"{user}\"");
        assert_eq!(words, expected, "{user}");
    }
}

/// Where a client is challenged, byte for byte: the names aside, nothing tells a cluster or a role that is there from one that
/// is not, and a second try gets the same salt.
#[tokio::test(flavor = "multi_thread")]
async fn challenges_are_alike_and_mock_salts_stay() {
    let (world, _database, first) = World::serving().await;
    let second = world.proxy(&[]).await;
    let challenge = async |proxy: std::net::SocketAddr, user: &str| {
        let mut tcp = tokio::net::TcpStream::connect(proxy).await.unwrap();
        tokio::io::AsyncWriteExt::write_all(&mut tcp, raw::SSL_REQUEST).await.unwrap();
        assert_eq!(raw::take::<1>(&mut tcp).await, *b"S");
        let mut tls = raw::tls(tcp, &world.authority_file(), "localhost", &[]).await.unwrap();
        let packet = raw::startup([0, 3, 0, 0], &[("user", user)]);
        tokio::io::AsyncWriteExt::write_all(&mut tls, &packet).await.unwrap();
        let offer = raw::message(&mut tls).await;
        assert_eq!(offer, (b'R', b"\0\0\0\x0aSCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0\0".to_vec()));
        let first = b"p\0\0\0\x23SCRAM-SHA-256\0\0\0\0\x0dn,,n=,r=abcde";
        tokio::io::AsyncWriteExt::write_all(&mut tls, first).await.unwrap();
        let (kind, body) = raw::message(&mut tls).await;
        assert_eq!((kind, &body[..4]), (b'R', &[0, 0, 0, 11][..]));
        let text = String::from_utf8(body[4..].to_vec()).unwrap();
        let (nonce, salt) = text.split_once(",s=").unwrap();
        assert!(nonce.starts_with("r=abcde"));
        (nonce.len(), salt.to_owned())
    };
    let (length, real) = challenge(first.tenants, "app@shop/orders").await;
    for user in ["nobody@shop/orders", "app@shop/unknown"] {
        let (mock_length, mock) = challenge(first.tenants, user).await;
        assert_eq!((mock_length, mock.len()), (length, real.len()), "{user}");
        assert_eq!(challenge(first.tenants, user).await.1, mock, "{user}: the salt stays");
        assert_eq!(challenge(second.tenants, user).await.1, mock, "{user}: at every proxy");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_password_counts_at_the_next_login() {
    let (world, database, proxy) = World::serving().await;
    assert!(say(&mut world.psql(proxy.tenants, "SELECT 1")).await.success);
    database.sql("postgres", "ALTER ROLE app PASSWORD 'fresh'");
    assert!(!say(&mut world.psql(proxy.tenants, "SELECT 1")).await.success);
    assert!(say(world.psql(proxy.tenants, "SELECT 1").env("PGPASSWORD", "fresh")).await.success);
    database.sql("postgres", "ALTER ROLE app VALID UNTIL '2001-01-01'");
    assert!(!say(world.psql(proxy.tenants, "SELECT 1").env("PGPASSWORD", "fresh")).await.success);
}

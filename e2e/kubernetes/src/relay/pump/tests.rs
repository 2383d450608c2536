//! The pump between two real loopback connections: bytes, ends and resets as the peers see them. No namespaces here.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::time::Duration;

use super::{pump, reset_on_close};

/// A client and a server with a pump between them.
fn connected() -> (TcpStream, TcpStream) {
    let front = TcpListener::bind("127.0.0.1:0").unwrap();
    let back = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = TcpStream::connect(front.local_addr().unwrap()).unwrap();
    let (inner_client, _) = front.accept().unwrap();
    let inner_server = TcpStream::connect(back.local_addr().unwrap()).unwrap();
    let (server, _) = back.accept().unwrap();
    std::thread::spawn(move || pump(&inner_client, &inner_server));
    for side in [&client, &server] {
        side.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    }
    (client, server)
}

#[test]
fn bytes_pass_both_ways_and_ends_are_passed_on_one_by_one() {
    let (mut client, mut server) = connected();
    client.write_all(b"question").unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    let mut asked = String::new();
    server.read_to_string(&mut asked).unwrap();
    assert_eq!(asked, "question");

    // The client has ended its half; the answer must still arrive.
    server.write_all(b"answer").unwrap();
    drop(server);
    let mut answered = String::new();
    client.read_to_string(&mut answered).unwrap();
    assert_eq!(answered, "answer");
}

#[test]
fn more_than_any_buffer_arrives_whole() {
    let (mut client, mut server) = connected();
    let sent: Vec<u8> = (0..5_000_000_u32).map(|i| i.to_le_bytes()[0] ^ i.to_le_bytes()[1]).collect();
    let expected = sent.clone();
    let writer = std::thread::spawn(move || {
        client.write_all(&sent).unwrap();
        client.shutdown(Shutdown::Write).unwrap();
        client
    });
    let mut received = Vec::new();
    server.read_to_end(&mut received).unwrap();
    assert!(received == expected, "{} of {} bytes", received.len(), expected.len());
    drop(writer.join().unwrap());
}

#[test]
fn a_reset_arrives_as_a_reset() {
    let (mut client, server) = connected();
    reset_on_close(&server);
    drop(server);
    let error = client.read(&mut [0]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
}

#[test]
fn a_reset_arrives_although_the_other_half_has_ended() {
    let (client, mut server) = connected();
    server.shutdown(Shutdown::Write).unwrap();
    let mut end = [0];
    assert_eq!((&client).read(&mut end).unwrap(), 0);
    reset_on_close(&client);
    drop(client);
    let error = server.read(&mut [0]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
}

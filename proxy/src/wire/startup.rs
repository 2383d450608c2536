//! The packets that open a connection: the only ones without a type byte.
//!
//! Parsing is total: any bytes give a packet or a [`StartupError`] with the SQLSTATE that PostgreSQL would answer.
//! Parameters must be UTF-8, which is stricter than PostgreSQL, because names of tenants and roles are compared as text here.

use super::report::{Report, SqlState};
use bytes::{Buf, BufMut, BytesMut};

/// The most that a startup packet may hold, as in PostgreSQL (`MAX_STARTUP_PACKET_LENGTH`).
pub const LONGEST_STARTUP: usize = 10_000;
/// "Go on in TLS?"
pub const SSL_CODE: u32 = 80_877_103;
/// "Go on in GSSAPI encryption?"
const GSS_CODE: u32 = 80_877_104;
/// "Cancel what that session runs."
pub const CANCEL_CODE: u32 = 80_877_102;
/// The longest secret of a cancel key, by protocol 3.2.
const LONGEST_SECRET: usize = 256;

/// What a client opens with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Opening {
    /// It asks for TLS.
    Tls,
    /// It asks for GSSAPI encryption.
    Gss,
    /// It asks to cancel what another session runs.
    Cancel(CancelKey),
    /// It asks for a session.
    Startup(Startup),
}

/// The key that names a session to be cancelled.
#[derive(Clone, PartialEq, Eq)]
pub struct CancelKey {
    /// The number that the session was given as its process.
    pub process: u32,
    /// 4 bytes under protocol 3.0, up to 256 under 3.2.
    pub secret: Vec<u8>,
}

impl std::fmt::Debug for CancelKey {
    /// Never shows the secret: whoever has it can cancel.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CancelKey").field("process", &self.process).finish_non_exhaustive()
    }
}

/// A version of the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    /// 3 in everything that is in use.
    pub major: u16,
    /// 0, or 2 for long cancel keys.
    pub minor: u16,
}

impl Version {
    /// What every server speaks.
    pub const V3_0: Self = Self { major: 3, minor: 0 };
    /// The newest that the proxy speaks.
    pub const V3_2: Self = Self { major: 3, minor: 2 };
}

/// A request for a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Startup {
    /// The version that the client asked for.
    pub version: Version,
    /// Names and values in the client's order, `_pq_.` options among them.
    pub parameters: Vec<(String, String)>,
}

impl Startup {
    /// The value of a parameter; the last one wins, as in PostgreSQL.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.parameters.iter().rev().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }
}

/// Why bytes are no packet that opens a connection.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StartupError {
    /// Not a packet at all.
    #[error("the startup packet is malformed: {0}")]
    Malformed(&'static str),
    /// Another major version.
    #[error("protocol {}.{} is not supported", .0.major, .0.minor)]
    Unsupported(Version),
}

impl StartupError {
    /// What the client is told.
    pub fn report(&self) -> Report {
        match self {
            Self::Malformed(what) => {
                Report::fatal(SqlState::ProtocolViolation, format!("invalid startup packet: {what}"))
            }
            Self::Unsupported(version) => Report::fatal(
                SqlState::FeatureNotSupported,
                format!(
                    "unsupported frontend protocol {}.{}: server supports 3.0 to 3.2",
                    version.major, version.minor
                ),
            ),
        }
    }
}

impl Opening {
    /// Parses a packet without its length field.
    pub fn parse(mut body: &[u8]) -> Result<Self, StartupError> {
        if body.len() < 4 {
            return Err(StartupError::Malformed("it is too short"));
        }
        let code = body.get_u32();
        match code {
            SSL_CODE | GSS_CODE if !body.is_empty() => {
                Err(StartupError::Malformed("a request for encryption carries nothing"))
            }
            SSL_CODE => Ok(Self::Tls),
            GSS_CODE => Ok(Self::Gss),
            CANCEL_CODE => {
                if body.len() < 8 || body.len() - 4 > LONGEST_SECRET {
                    return Err(StartupError::Malformed("a cancel key has 4 to 256 bytes"));
                }
                let process = body.get_u32();
                Ok(Self::Cancel(CancelKey { process, secret: body.to_vec() }))
            }
            version => {
                let [a, b, c, d] = version.to_be_bytes();
                let version =
                    Version { major: u16::from_be_bytes([a, b]), minor: u16::from_be_bytes([c, d]) };
                if version.major != 3 {
                    return Err(StartupError::Unsupported(version));
                }
                Ok(Self::Startup(Startup { version, parameters: parameters(body)? }))
            }
        }
    }
}

fn parameters(mut body: &[u8]) -> Result<Vec<(String, String)>, StartupError> {
    let mut all = Vec::new();
    loop {
        let name = take_cstr(&mut body)?;
        if name.is_empty() {
            break;
        }
        let value = take_cstr(&mut body)?;
        all.push((name.to_owned(), value.to_owned()));
    }
    if body.is_empty() { Ok(all) } else { Err(StartupError::Malformed("bytes follow its end")) }
}

fn take_cstr<'a>(body: &mut &'a [u8]) -> Result<&'a str, StartupError> {
    let end = body.iter().position(|b| *b == 0).ok_or(StartupError::Malformed("a parameter does not end"))?;
    let text = std::str::from_utf8(&body[..end])
        .map_err(|_| StartupError::Malformed("its parameters must be UTF-8"))?;
    *body = &body[end + 1..];
    Ok(text)
}

/// Makes a startup packet of protocol 3.0, with its length, for a server.
pub fn startup_packet<'a>(parameters: impl IntoIterator<Item = (&'a str, &'a str)>) -> BytesMut {
    let mut packet = BytesMut::with_capacity(256);
    packet.put_u32(0);
    packet.put_u16(Version::V3_0.major);
    packet.put_u16(Version::V3_0.minor);
    for (name, value) in parameters {
        super::message::put_cstr(&mut packet, name);
        super::message::put_cstr(&mut packet, value);
    }
    packet.put_u8(0);
    let length = u32::try_from(packet.len()).unwrap_or(u32::MAX);
    packet[..4].copy_from_slice(&length.to_be_bytes());
    packet
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    #[rstest]
    #[case::tls(&[4, 210, 22, 47], Opening::Tls)]
    #[case::gss(&[4, 210, 22, 48], Opening::Gss)]
    #[case::cancel(&[4, 210, 22, 46, 0, 0, 0, 7, 1, 2, 3, 4], Opening::Cancel(CancelKey { process: 7, secret: vec![1, 2, 3, 4] }))]
    #[case::startup(b"\0\x03\0\0user\0a\0\0", Opening::Startup(Startup { version: Version::V3_0, parameters: vec![("user".into(), "a".into())] }))]
    #[case::newer(b"\0\x03\x0f\x9f\0", Opening::Startup(Startup { version: Version { major: 3, minor: 3999 }, parameters: vec![] }))]
    fn is_parsed(#[case] bytes: &[u8], #[case] expected: Opening) {
        assert_eq!(Opening::parse(bytes).unwrap(), expected);
    }

    #[rstest]
    #[case::empty(b"")]
    #[case::tls_with_more(&[4, 210, 22, 47, 0])]
    #[case::cancel_without_secret(&[4, 210, 22, 46, 0, 0, 0, 7])]
    #[case::version_2(b"\0\x02\0\0user\0a\0\0")]
    #[case::version_4(b"\0\x04\0\0user\0a\0\0")]
    #[case::no_end(b"\0\x03\0\0user\0a\0")]
    #[case::name_without_value(b"\0\x03\0\0user\0")]
    #[case::bytes_behind(b"\0\x03\0\0user\0a\0\0x")]
    #[case::not_utf8(b"\0\x03\0\0user\0\xff\0\0")]
    fn is_refused(#[case] bytes: &[u8]) {
        assert!(Opening::parse(bytes).is_err());
    }

    #[test]
    fn what_is_made_is_read_again() {
        let packet = startup_packet([("user", "a"), ("database", "b")]);
        let length = u32::from_be_bytes(packet[..4].try_into().unwrap());
        assert_eq!(length as usize, packet.len());
        let Opening::Startup(startup) = Opening::parse(&packet[4..]).unwrap() else { panic!("no startup") };
        assert_eq!((startup.get("user"), startup.get("database")), (Some("a"), Some("b")));
    }

    proptest! {
        #[test]
        fn no_bytes_break_it(bytes in proptest::collection::vec(any::<u8>(), 0..400), code in 0u32..4) {
            let mut packet = match code {
                0 => 196_608_u32.to_be_bytes().to_vec(),
                1 => CANCEL_CODE.to_be_bytes().to_vec(),
                2 => SSL_CODE.to_be_bytes().to_vec(),
                _ => Vec::new(),
            };
            packet.extend(bytes);
            let _ = Opening::parse(&packet);
        }
    }
}

//! Logging in to a database, and making sure that it is the primary of the route's term, before any query of a tenant.

use super::BackendError;
use super::connect::{BackendStream, Connector, binding};
use super::query::{query, show};
use crate::auth::scram::{ClientLogin, Key, Verifier, random};
use crate::route::Target;
use crate::wire::{Conversation, Fields, Message, Reader, authentication, frame, put_cstr};
use berth_core::Term;
use bytes::{BufMut, Bytes};
use tokio::time::timeout;

/// The longest message during a login; PostgreSQL's own are far below.
pub(crate) const LONGEST: usize = 64 * 1024;

/// As whom to log in.
#[derive(Debug, Clone)]
pub enum Credentials {
    /// By our certificate alone: one of Berth's own roles.
    Certificate,
    /// In a tenant's name, with the key that its own login gave.
    Scram {
        /// The role's verifier.
        verifier: Verifier,
        /// The key.
        client_key: Key,
    },
}

/// A connection to a database, logged in.
pub struct Backend {
    /// The connection.
    pub database: Conversation<BackendStream>,
    /// The term that the server told: the route's, or a higher one.
    pub term: Term,
    /// What the server told on the way: parameters and notices, in its order.
    pub told: Vec<Message>,
    /// The process that serves it.
    pub process: u32,
    /// What cancels it.
    pub secret: Vec<u8>,
}

impl Connector {
    /// Connects, logs in with this startup packet and checks. All of it within the connector's limit.
    pub async fn log_in(
        &self,
        target: &Target,
        credentials: &Credentials,
        packet: &[u8],
    ) -> Result<Backend, BackendError> {
        timeout(self.limit, self.try_log_in(target, credentials, packet))
            .await
            .unwrap_or_else(|_| Err(BackendError::TimedOut { address: target.address.clone() }))
    }

    async fn try_log_in(
        &self,
        target: &Target,
        credentials: &Credentials,
        packet: &[u8],
    ) -> Result<Backend, BackendError> {
        let stream = self.secured(target).await?;
        let mut database = Conversation::new(stream);
        database.output().extend_from_slice(packet);
        database.flush().await?;
        authenticate(&mut database, credentials).await?;
        let mut told = Vec::new();
        let (mut process, mut secret) = (0, Vec::new());
        let mut declared = false;
        loop {
            let message = database.read(LONGEST).await?;
            match message.kind {
                b'K' => {
                    let mut reader = Reader(&message.body);
                    process = reader.u32()?;
                    secret = reader.0.to_vec();
                }
                b'S' => {
                    match &message.body[..] {
                        b"in_hot_standby\0off\0" => declared = true,
                        body if body.starts_with(b"in_hot_standby\0") => return Err(BackendError::Standby),
                        _ => {}
                    }
                    told.push(message);
                }
                b'N' => told.push(message),
                b'E' => return Err(BackendError::refused(message.body)),
                b'Z' => break,
                _ => {}
            }
        }
        if !declared {
            return Err(BackendError::Undeclared);
        }
        let answer = query(&mut database, "SHOW berth.term", &mut told).await;
        let Some(term) = show(answer)? else { return Err(BackendError::Termless) };
        if term < target.term {
            return Err(BackendError::Stale { found: term, wanted: target.term });
        }
        Ok(Backend { database, term, told, process, secret })
    }
}

/// Answers what the database asks until it says that we are in.
async fn authenticate(
    database: &mut Conversation<BackendStream>,
    credentials: &Credentials,
) -> Result<(), BackendError> {
    loop {
        let message = database.read(LONGEST).await?;
        match message.kind {
            b'E' => return Err(BackendError::refused(message.body)),
            b'R' => {}
            _ => continue,
        }
        let mut reader = Reader(&message.body);
        match (reader.u32()?, credentials) {
            (authentication::OK, _) => return Ok(()),
            (authentication::SASL, Credentials::Scram { verifier, client_key }) => {
                scram(database, reader, verifier, client_key).await?;
            }
            (other, _) => return Err(BackendError::Authentication(other)),
        }
    }
}

async fn scram(
    database: &mut Conversation<BackendStream>,
    mut offer: Reader<'_>,
    verifier: &Verifier,
    client_key: &Key,
) -> Result<(), BackendError> {
    let mut offered = Vec::new();
    while let Ok(name @ [_, ..]) = offer.cstr() {
        offered.extend(std::str::from_utf8(name));
    }
    let bound = binding(database.stream());
    let login =
        ClientLogin::new(&offered, bound.as_deref(), verifier.clone(), *client_key, &random::<18>()?)?;
    let (mechanism, first) = login.first();
    frame(database.output(), b'p', |out| {
        put_cstr(out, mechanism);
        out.put_u32(u32::try_from(first.len()).unwrap_or(u32::MAX));
        out.put_slice(first.as_bytes());
    });
    database.flush().await?;
    let challenge = step(database, authentication::SASL_CONTINUE).await?;
    let (last, expected) = login.prove(&challenge)?;
    frame(database.output(), b'p', |out| out.put_slice(last.as_bytes()));
    database.flush().await?;
    let outcome = step(database, authentication::SASL_FINAL).await?;
    expected.check(&outcome)?;
    Ok(())
}

/// The data of the next step, which must be of this kind.
async fn step(database: &mut Conversation<BackendStream>, wanted: u32) -> Result<Bytes, BackendError> {
    let message = database.read(LONGEST).await?;
    if message.kind == b'E' {
        return Err(BackendError::refused(message.body));
    }
    let found = Reader(&message.body).u32()?;
    if message.kind != b'R' || found != wanted {
        return Err(BackendError::Authentication(found));
    }
    Ok(message.body.slice(4..))
}

/// Whether an error says that there is no such setting.
pub(super) fn is_undefined_setting(body: &[u8]) -> bool {
    Fields::parse(body).code == b"42704"
}

//! From a startup packet to a session: which cluster, who, and the way to its primary.

use super::cancel;
use super::hold::{Held, Hold};
use super::moving::Way;
use crate::auth::Mock;
use crate::auth::scram::{Exchange, Outcome, Refusal, Verifier, random};
use crate::backend::{Backend, BackendError, Credentials};
use crate::context::Context;
use crate::listener::{Admitted, ClientStream};
use crate::route::{Entry, Target, Tenant, TenantError, resolve};
use crate::wire::{
    Conversation, Reader, Report, SqlState, Startup, Version, WireError, authentication, frame, put_cstr,
    startup_packet,
};
use berth_service::Chain;
use bytes::{BufMut, Bytes};
use prometheus_client::encoding::EncodeLabelValue;
use std::sync::Arc;
use tokio::time::{Instant, sleep, timeout};
use tracing::{Span, field, info};

/// The longest message of a client during SCRAM, as in PostgreSQL (`PG_MAX_SASL_MESSAGE_LENGTH`), and the mechanism's name.
const LONGEST: usize = 1024 + 64;

/// How a login ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EncodeLabelValue)]
pub enum LoginOutcome {
    /// In a session.
    Success,
    /// The client named no cluster, or several.
    Unnamed,
    /// Wrong password, role or cluster.
    Password,
    /// Not the protocol, or not in time.
    Malformed,
    /// No primary in time.
    Held,
    /// The database refused.
    Refused,
    /// The client left.
    Left,
}

/// A login that came to nothing.
#[derive(Debug, thiserror::Error)]
pub(super) enum LoginError {
    /// The startup cannot be routed.
    #[error(transparent)]
    Tenant(#[from] TenantError),
    /// SCRAM failed.
    #[error("{refusal}")]
    Scram {
        /// How.
        refusal: Refusal,
        /// The user as the client wrote it.
        user: String,
    },
    /// No primary.
    #[error(transparent)]
    Held(#[from] Held),
    /// The database said no.
    #[error("the database refused the session")]
    Backend(#[source] BackendError),
    /// The connection of the client.
    #[error("the client's connection failed during the login")]
    Wire(#[from] WireError),
    /// The client took too long.
    #[error("the client did not finish its login in time")]
    Slow,
    /// The client left while it was held.
    #[error("the client left while it waited")]
    Left,
    /// The system gives no random bytes.
    #[error("the system gives no random bytes")]
    Random(#[from] getrandom::Error),
}

/// What a client that could not be let in gets.
pub(super) enum Told {
    /// A report of our own.
    Report(Report),
    /// The database's own words.
    Words(Bytes),
    /// Nothing: there is nobody to tell.
    Nothing,
}

impl LoginError {
    pub(super) fn outcome(&self) -> LoginOutcome {
        match self {
            Self::Tenant(_) => LoginOutcome::Unnamed,
            Self::Scram { refusal: Refusal::Password, .. } => LoginOutcome::Password,
            Self::Held(_) => LoginOutcome::Held,
            Self::Backend(_) | Self::Random(_) => LoginOutcome::Refused,
            Self::Scram { .. }
            | Self::Slow
            | Self::Wire(WireError::Malformed(_) | WireError::TooLong { .. }) => LoginOutcome::Malformed,
            Self::Wire(WireError::Io(_) | WireError::Closed) | Self::Left => LoginOutcome::Left,
        }
    }

    pub(super) fn told(&self) -> Told {
        match self {
            Self::Tenant(error) => Told::Report(error.report()),
            Self::Scram { refusal, user } => Told::Report(refusal.report(user)),
            Self::Held(held) => Told::Report(held.report()),
            Self::Backend(BackendError::Refused { body, .. }) => Told::Words(body.clone()),
            Self::Backend(BackendError::Login(error)) => {
                Told::Report(Report::fatal(SqlState::InvalidPassword, error.to_string()))
            }
            Self::Backend(_) | Self::Random(_) => Told::Report(Report::fatal(
                SqlState::ConnectionFailure,
                "the session could not be opened; the proxy's log says why",
            )),
            Self::Wire(error @ (WireError::Malformed(_) | WireError::TooLong { .. })) => {
                Told::Report(Report::fatal(SqlState::ProtocolViolation, error.to_string()))
            }
            Self::Slow => Told::Report(Report::fatal(
                SqlState::InvalidAuthorization,
                "canceling authentication due to timeout",
            )),
            Self::Wire(WireError::Io(_) | WireError::Closed) | Self::Left => Told::Nothing,
        }
    }
}

/// A client whose session can begin.
pub(super) struct Established {
    pub(super) entry: Arc<Entry>,
    pub(super) backend: Backend,
    pub(super) target: Target,
    pub(super) way: Way,
    /// It asked for replication.
    pub(super) replicates: bool,
}

/// Logs a client in. Puts all that it is to get up to its `ReadyForQuery`; the caller sends it, and what is told on an error.
pub(super) async fn log_in(
    context: &Context,
    client: &mut Conversation<ClientStream>,
    startup: &Startup,
    end_point: Option<&[u8]>,
    admitted: &mut Admitted,
) -> Result<Established, LoginError> {
    let tenant = resolve(client.stream().server_name(), &context.settings.tenant_suffix, startup)?;
    if let Some(cluster) = &tenant.cluster {
        let span = Span::current();
        span.record("namespace", field::display(&cluster.namespace));
        span.record("cluster", field::display(&cluster.name));
    }
    negotiate(client, startup.version, &tenant.unknown_options);

    let entry = tenant.cluster.as_ref().and_then(|cluster| context.table.find(cluster));
    let known = if let Some(entry) = &entry {
        known_verifier(context, client, entry, &tenant.role).await?
    } else {
        sleep(context.mock.delay(random::<1>()?[0])).await;
        None
    };
    let doomed = known.is_none();
    let verifier =
        known.unwrap_or_else(|| Mock::verifier(&context.secret(), tenant.cluster.as_ref(), &tenant.role));
    let exchange = exchange(client, end_point, verifier.clone(), doomed);
    let outcome = timeout(context.settings.login_limit, exchange).await.map_err(|_| LoginError::Slow)??;
    let refused = |refusal| LoginError::Scram { refusal, user: tenant.user.clone() };
    // A doomed exchange never gets here, and without a cluster every exchange is doomed.
    let (Outcome { final_message, client_key }, Some(entry)) = (outcome.map_err(refused)?, entry) else {
        return Err(refused(Refusal::Password));
    };
    admitted.known();
    frame(client.output(), b'R', |out| {
        out.put_u32(authentication::SASL_FINAL);
        out.put_slice(final_message.as_bytes());
    });
    frame(client.output(), b'R', |out| out.put_u32(authentication::OK));

    let parameters = tenant.parameters.iter().map(|(n, v)| (n.as_str(), v.as_str()));
    let way = Way {
        credentials: Credentials::Scram { verifier, client_key },
        packet: startup_packet(parameters).freeze(),
    };
    let mut hold = Hold::new(context, Arc::clone(&entry));
    let (backend, target) = tokio::select! {
        reached = reach(context, &entry, &mut hold, &way, &tenant) => reached?,
        () = left(client.stream()) => return Err(LoginError::Left),
    };
    for message in &backend.told {
        message.put(client.output());
    }
    let long = startup.version >= Version::V3_2;
    let key = cancel::key(&context.secret(), &entry.uid, backend.process, &backend.secret, long);
    frame(client.output(), b'K', |out| {
        out.put_u32(key.process);
        out.put_slice(&key.secret);
    });
    frame(client.output(), b'Z', |out| out.put_u8(b'I'));
    let replicates = tenant.parameters.iter().any(|(name, _)| name == "replication");
    Ok(Established { entry, backend, target, way, replicates })
}

/// Tells a client that asks for more than there is what there is.
fn negotiate(client: &mut Conversation<ClientStream>, asked: Version, unknown: &[String]) {
    if asked <= Version::V3_2 && unknown.is_empty() {
        return;
    }
    let spoken = asked.min(Version::V3_2);
    frame(client.output(), b'v', |out| {
        // The whole version, as PostgreSQL sends it, though its documentation speaks of the minor one alone.
        out.put_u16(spoken.major);
        out.put_u16(spoken.minor);
        out.put_u32(u32::try_from(unknown.len()).unwrap_or(u32::MAX));
        for name in unknown {
            put_cstr(out, name);
        }
    });
}

/// The verifier of a role: from the primary, or, while none answers, from an earlier login; held where there is neither.
async fn known_verifier(
    context: &Context,
    client: &Conversation<ClientStream>,
    entry: &Arc<Entry>,
    role: &str,
) -> Result<Option<Verifier>, LoginError> {
    let mut hold = Hold::new(context, Arc::clone(entry));
    let ask = async {
        loop {
            let failure = match hold.target_now() {
                None => None,
                Some(target) => {
                    let began = Instant::now();
                    let asked = tokio::select! {
                        asked = context.lookups.ask(&target, role) => asked,
                        () = entry.superseded(target.term) => continue,
                    };
                    match asked {
                        Ok(answer) => {
                            context.mock.took(began.elapsed());
                            context.metrics.lookup_seconds.observe(began.elapsed().as_secs_f64());
                            let verifier = answer.verifier(role);
                            context.verifiers.learn(&entry.uid, role, verifier.as_ref());
                            return Ok(verifier);
                        }
                        Err(error) => Some(error),
                    }
                }
            };
            if let Some(verifier) = context.verifiers.recall(&entry.uid, role) {
                return Ok(Some(verifier));
            }
            match failure {
                Some(error) => hold.failed(&error).await?,
                None => drop(hold.target().await?),
            }
        }
    };
    tokio::select! {
        verifier = ask => verifier,
        () = left(client.stream()) => Err(LoginError::Left),
    }
}

/// The conversation of SCRAM with the client.
async fn exchange(
    client: &mut Conversation<ClientStream>,
    end_point: Option<&[u8]>,
    verifier: Verifier,
    doomed: bool,
) -> Result<Result<Outcome, Refusal>, LoginError> {
    frame(client.output(), b'R', |out| {
        out.put_u32(authentication::SASL);
        for mechanism in Exchange::offer(end_point) {
            put_cstr(out, mechanism);
        }
        out.put_u8(0);
    });
    client.flush().await?;
    let first = response(client).await?;
    let mut reader = Reader(&first);
    let mechanism = String::from_utf8_lossy(reader.cstr()?).into_owned();
    let length = reader.u32()?;
    // A length of -1: no first message, which SCRAM does not allow.
    if length as usize != reader.0.len() {
        return Ok(Err(Refusal::Malformed("its length is wrong")));
    }
    let begun = Exchange::begin(&mechanism, reader.0, end_point, verifier, doomed, &random::<18>()?);
    let exchange = match begun {
        Ok(exchange) => exchange,
        Err(refusal) => return Ok(Err(refusal)),
    };
    frame(client.output(), b'R', |out| {
        out.put_u32(authentication::SASL_CONTINUE);
        out.put_slice(exchange.challenge().as_bytes());
    });
    client.flush().await?;
    let last = response(client).await?;
    Ok(exchange.finish(&last))
}

/// The client's next message, which must be an answer.
async fn response(client: &mut Conversation<ClientStream>) -> Result<Bytes, LoginError> {
    let message = client.read(LONGEST).await?;
    match message.kind {
        b'p' => Ok(message.body),
        _ => Err(WireError::Malformed("expected an answer to the authentication").into()),
    }
}

/// A session at the primary, however long it takes within the hold's deadline.
async fn reach(
    context: &Context,
    entry: &Entry,
    hold: &mut Hold,
    way: &Way,
    tenant: &Tenant,
) -> Result<(Backend, Target), LoginError> {
    // A physical replication connection has its own lines in the database's rules, so a refusal by them is no shut gate.
    let physical = tenant
        .parameters
        .iter()
        .any(|(name, value)| name == "replication" && !value.eq_ignore_ascii_case("database"));
    loop {
        let target = hold.target().await?;
        let reached = tokio::select! {
            reached = context.connector.log_in(&target, &way.credentials, &way.packet) => reached,
            // The one that is being connected to may hang, and will not be the primary in any case.
            () = entry.superseded(target.term) => continue,
        };
        match reached {
            Ok(backend) => return Ok((backend, target)),
            Err(error) if error.retryable() && !physical => hold.failed(&error).await?,
            Err(error) => {
                context.metrics.backend_error(error.kind());
                info!(error = %Chain(&error), "the database refused a session");
                return Err(LoginError::Backend(error));
            }
        }
    }
}

/// Waits until the client has closed its side. A client says nothing while it waits for an answer, so its end shows.
async fn left(client: &ClientStream) {
    loop {
        match client.tcp().ready(tokio::io::Interest::READABLE).await {
            Ok(ready) if !ready.is_read_closed() => {
                // Something is there that is not read yet; its end is looked for again shortly, for there is no other event.
                sleep(std::time::Duration::from_millis(250)).await;
            }
            Ok(_) | Err(_) => return,
        }
    }
}

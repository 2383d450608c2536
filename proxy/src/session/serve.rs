//! One connection from its first byte to its last.

use super::belongings::Trace;
use super::cancel;
use super::life::{FAREWELL, Session};
use super::login::{Established, LoginError, LoginOutcome, Told, log_in};
use super::relay::Relay;
use super::seat::Process;
use crate::backend::Backend;
use crate::context::Context;
use crate::listener::{Admitted, ClientStream, Opened, OpeningError, open};
use crate::metrics::{Arrival, LoginLabel};
use crate::wire::{Conversation, Startup, frame};
use berth_service::Chain;
use bytes::BufMut;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};
use tracing::{Instrument, Span, debug, field, info, info_span};

/// Serves one connection.
pub async fn serve(context: Arc<Context>, tcp: TcpStream, peer: SocketAddr, admitted: Admitted) {
    let span = info_span!("session", client = %peer, namespace = field::Empty, cluster = field::Empty, term = field::Empty);
    // The steps before a session need memory that a session does not: it is given back with their box.
    let session = Box::pin(prepare(Arc::clone(&context), tcp, admitted)).instrument(span.clone()).await;
    if let Some(session) = session {
        session.run(&context).instrument(span).await;
    }
}

async fn prepare(context: Arc<Context>, tcp: TcpStream, admitted: Admitted) -> Option<Session> {
    let opening = open(tcp, &context.tls, context.settings.allow_plaintext);
    let opened = tokio::select! {
        opened = timeout(context.settings.login_limit, opening) => opened,
        () = context.drain.begun() => return None,
    };
    let Ok(opened) = opened else {
        context.metrics.arrived(Arrival::Silent);
        return None;
    };
    match opened {
        Ok(Opened::Session { client, startup, end_point }) => {
            context.metrics.arrived(Arrival::Session);
            tokio::select! {
                session = establish(&context, client, &startup, end_point.as_deref(), admitted) => session,
                () = context.drain.cut() => None,
            }
        }
        Ok(Opened::Cancel(key, mut client)) => {
            context.metrics.arrived(Arrival::Cancel);
            cancel::forward(&context, &key).await;
            drop(client.shutdown().await);
            None
        }
        Err(error) => {
            context.metrics.arrived(match error {
                OpeningError::Tls(_) | OpeningError::Protocol => Arrival::TlsFailed,
                OpeningError::Plaintext => Arrival::Plaintext,
                OpeningError::Wire(_) | OpeningError::Smuggled | OpeningError::Startup(_) => {
                    Arrival::Malformed
                }
            });
            debug!(error = %Chain(&error), "a connection came to nothing");
            None
        }
    }
}

async fn establish(
    context: &Context,
    mut client: Conversation<ClientStream>,
    startup: &Startup,
    end_point: Option<&[u8]>,
    mut admitted: Admitted,
) -> Option<Session> {
    let began = Instant::now();
    let result = log_in(context, &mut client, startup, end_point, &mut admitted).await;
    let count = |outcome| context.metrics.logins.get_or_create(&LoginLabel { outcome }).inc();
    let Established { entry, backend, target, way, replicates } = match result {
        Ok(established) => established,
        Err(error) => {
            count(error.outcome());
            refuse(&mut client, &error).await;
            return None;
        }
    };
    if timeout(FAREWELL, client.flush()).await.is_err() {
        count(LoginOutcome::Left);
        return None;
    }
    let Backend { database, term, told: _, process, secret } = backend;
    let seat = context.seats.take(Process { target: Arc::new(target), id: process, secret });
    let (statements, metrics) = (Arc::clone(&context.statements), Arc::clone(&context.metrics));
    let relay =
        Relay::new(client.into_parts(), database.into_parts(), Arc::clone(&seat), statements, metrics);
    let mut relay = match relay {
        Ok(relay) => relay,
        Err(error) => {
            count(LoginOutcome::Malformed);
            debug!(%error, "a client sent what is no message behind its login");
            return None;
        }
    };
    if replicates {
        relay.stays(Trace::Replication);
    }
    count(LoginOutcome::Success);
    context.metrics.login_seconds.observe(began.elapsed().as_secs_f64());
    context.metrics.sessions.inc();
    Span::current().record("term", term.0);
    debug!("a session begins");
    Some(Session {
        relay,
        routes: entry.subscribe(),
        entry,
        term,
        way,
        seat,
        farewell: None,
        barred: None,
        eager: true,
        metrics: Arc::clone(&context.metrics),
        admitted,
    })
}

/// Tells a client why it is not let in, if there is anybody to tell.
async fn refuse(client: &mut Conversation<ClientStream>, error: &LoginError) {
    info!(error = %Chain(error), outcome = ?error.outcome(), "a login failed");
    match error.told() {
        Told::Report(report) => report.put(client.output()),
        Told::Words(body) => frame(client.output(), b'E', |out| out.put_slice(&body)),
        Told::Nothing => return,
    }
    let farewell = async {
        client.flush().await?;
        client.shutdown().await
    };
    drop(timeout(FAREWELL, farewell).await);
}

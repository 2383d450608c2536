//! One connection from its first byte to its last.

use super::cancel;
use super::ending::{Cause, Ending};
use super::login::{Established, LoginError, LoginOutcome, Told, log_in};
use super::relay::Relay;
use crate::context::Context;
use crate::listener::{Admitted, ClientStream, Opened, OpeningError, open};
use crate::metrics::{Arrival, CauseLabel, LoginLabel, Metrics};
use crate::route::{Current, Entry};
use crate::wire::{Conversation, Startup, frame};
use berth_core::Term;
use berth_service::Chain;
use bytes::BufMut;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{Instant, timeout};
use tracing::{Instrument, Span, debug, field, info, info_span};

/// How long a client may take to hear the last words.
const FAREWELL: Duration = Duration::from_secs(5);

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

/// A session that runs.
struct Session {
    relay: Relay,
    entry: Arc<Entry>,
    routes: watch::Receiver<Current>,
    term: Term,
    metrics: Arc<Metrics>,
    _admitted: Admitted,
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
    let Established { entry, backend } = match result {
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
    let relay = Relay::new(client.into_parts(), (backend.stream, backend.rest), Arc::clone(&context.metrics));
    let relay = match relay {
        Ok(relay) => relay,
        Err(error) => {
            count(LoginOutcome::Malformed);
            debug!(%error, "a client sent what is no message behind its login");
            return None;
        }
    };
    count(LoginOutcome::Success);
    context.metrics.login_seconds.observe(began.elapsed().as_secs_f64());
    context.metrics.sessions.inc();
    Span::current().record("term", backend.term.0);
    debug!("a session begins");
    Some(Session {
        relay,
        routes: entry.subscribe(),
        entry,
        term: backend.term,
        metrics: Arc::clone(&context.metrics),
        _admitted: admitted,
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

impl Session {
    /// Relays until the client leaves, the database is lost, a newer primary serves, or the proxy stops.
    async fn run(mut self, context: &Context) {
        let mut draining = false;
        let ending = loop {
            tokio::select! {
                biased;
                ending = poll_fn(|cx| {
                    let polled = self.relay.poll(cx);
                    if polled.is_pending() && draining && self.relay.is_idle() {
                        return Poll::Ready(self.relay.end(Cause::Drain));
                    }
                    polled
                }) => break ending,
                // The sender lives in the entry, so the watch does not end before the session.
                _ = self.routes.changed() => {
                    let newest = self.routes.borrow_and_update().route.term;
                    if newest > self.term {
                        info!(term = self.term.0, newest = newest.0, "a newer primary: the session is severed");
                        break self.relay.end(Cause::Deposed);
                    }
                }
                () = context.drain.begun(), if !draining => draining = true,
                () = context.drain.cut() => break self.relay.end(Cause::Drain),
            }
        };
        self.finish(&ending).await;
    }

    async fn finish(self, ending: &Ending) {
        let Self { relay, entry, metrics, .. } = self;
        let told = ending.report.as_ref().map(|report| report.state.code());
        debug!(cause = ?ending.cause, told, cluster_uid = %entry.uid, "a session ended");
        metrics.sessions.dec();
        metrics.ended.get_or_create(&CauseLabel { cause: ending.cause }).inc();
        drop(timeout(FAREWELL, relay.close(ending)).await);
    }
}

//! What stands in for the network between a proxy and a database: it can stop carrying, as when a node loses its power, and it
//! can break what it carries.

use crate::database::Database;
use crate::world::Primary;
use berth_core::{ClusterUid, MemberId};
use std::net::SocketAddr;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_util::task::TaskTracker;

/// What is carried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Carries {
    /// Everything.
    Everything,
    /// What clients say, and nothing that the database says.
    Up,
    /// Nothing, in silence.
    Nothing,
    /// Nothing: connections are broken.
    Broken,
}

/// Carries bytes between the proxies and one database, until it is told otherwise.
pub(crate) struct Leash {
    uid: ClusterUid,
    member: MemberId,
    address: String,
    carries: watch::Sender<Carries>,
}

impl Leash {
    /// Stands before this database.
    pub(crate) async fn before(database: &Database) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let to: SocketAddr = database.address.parse().unwrap();
        let carries = watch::Sender::new(Carries::Everything);
        let told = carries.subscribe();
        let tasks = TaskTracker::new();
        tasks.clone().spawn(async move {
            loop {
                let (near, _) = listener.accept().await.unwrap();
                // A database that does not run refuses; so does this.
                let Ok(far) = TcpStream::connect(to).await else { continue };
                let ((near_in, near_out), (far_in, far_out)) = (near.into_split(), far.into_split());
                tasks.spawn(carry(near_in, far_out, told.clone(), |c| {
                    c == Carries::Everything || c == Carries::Up
                }));
                tasks.spawn(carry(far_in, near_out, told.clone(), |c| c == Carries::Everything));
            }
        });
        Self { uid: database.uid.clone(), member: database.member.clone(), address, carries }
    }

    /// From now on carries this.
    pub(crate) fn carry(&self, what: Carries) {
        self.carries.send_replace(what);
    }
}

impl Primary for Leash {
    fn place(&self) -> (&ClusterUid, &MemberId, &str) {
        (&self.uid, &self.member, &self.address)
    }
}

async fn carry(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    mut told: watch::Receiver<Carries>,
    passes: fn(Carries) -> bool,
) {
    let mut buffer = [0; 16 * 1024];
    loop {
        let count = tokio::select! {
            read = from.read(&mut buffer) => read.unwrap_or(0),
            _ = told.wait_for(|carries| *carries == Carries::Broken) => return,
        };
        let allowed = told.wait_for(|carries| *carries == Carries::Broken || passes(*carries)).await;
        if !allowed.is_ok_and(|carries| *carries != Carries::Broken) {
            return;
        }
        if count == 0 || to.write_all(&buffer[..count]).await.is_err() {
            break;
        }
    }
    drop(to.shutdown().await);
}

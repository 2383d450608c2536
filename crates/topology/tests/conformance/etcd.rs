//! A real etcd of its own for each test, on loopback with mutual TLS, to be hurt; and what only etcd can show.

mod authority;
mod binary;
mod own;
mod process;

use crate::world::World;
use async_trait::async_trait;
use authority::Authority;
use berth_core::{ClusterRef, ClusterUid};
use berth_testkit::eventually;
use berth_topology::etcd::Administration;
use berth_topology::{EtcdOptions, EtcdTopology, Topology, User};
use etcd_client::{Certificate, Client, ConnectOptions, Identity, TlsOptions};
use process::Process;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tempfile::TempDir;

/// The names in the certificates, as the installed product has them.
const OPERATOR: &str = "berth-operator";
const PROXY: &str = "berth-proxy";
/// How long an etcd may take to start on a busy machine.
const START: Duration = Duration::from_mins(1);

pub(crate) struct RealEtcd {
    directory: TempDir,
    authority: Authority,
    process: Process,
    admitted: Mutex<Vec<(ClusterRef, ClusterUid)>>,
}

impl RealEtcd {
    /// An etcd that knows the operator and the proxy.
    pub(crate) async fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let authority = Authority::new(directory.path());
        let server = authority.identity("server");
        let process = Process::new(directory.path(), &server);
        let etcd = Self { directory, authority, process, admitted: Mutex::default() };
        etcd.process.start();
        etcd.answering().await;
        etcd.administration().enable().await.unwrap();
        etcd
    }

    pub(crate) fn administration(&self) -> Administration {
        Administration::new(self.options(OPERATOR), OPERATOR, PROXY)
    }

    /// How this user reaches it.
    pub(crate) fn options(&self, user: &str) -> EtcdOptions {
        EtcdOptions::new(&self.process.endpoint(), self.authority.identity(user)).unwrap()
    }

    /// The library's own client, as the operator.
    async fn client(&self) -> Result<Client, etcd_client::Error> {
        let identity = self.authority.identity(OPERATOR);
        let file = |name| std::fs::read(identity.join(name)).unwrap();
        let tls = TlsOptions::new()
            .ca_certificate(Certificate::from_pem(file("ca.crt")))
            .identity(Identity::from_pem(file("tls.crt"), file("tls.key")));
        Client::connect([self.process.endpoint()], Some(ConnectOptions::new().with_tls(tls))).await
    }

    async fn answering(&self) {
        let look = || async {
            let mut client = self.client().await?;
            client.get("/", None).await
        };
        eventually(START, "etcd answers", look).await.unwrap();
    }

    fn backup(&self) -> PathBuf {
        self.directory.path().join("backup.db")
    }

    fn control(&self, arguments: &[&str]) -> String {
        self.process.control(&self.authority.identity(OPERATOR), arguments)
    }
}

#[async_trait]
impl World for RealEtcd {
    fn topology(&self, user: &User) -> Arc<dyn Topology> {
        let name = match user {
            User::Operator => OPERATOR,
            User::Members(_, uid) => uid.as_str(),
            User::Proxy => PROXY,
        };
        Arc::new(EtcdTopology::new(self.options(name)))
    }

    async fn admit(&self, cluster: &ClusterRef, uid: &ClusterUid) {
        self.administration().ensure_cluster(cluster, uid).await.unwrap();
        self.admitted.lock().unwrap().push((cluster.clone(), uid.clone()));
    }

    async fn stop(&self) {
        self.process.kill();
    }

    async fn start(&self) {
        self.process.start();
        self.answering().await;
    }

    async fn compact(&self) {
        let revision = self.revision().await;
        self.client().await.unwrap().compact(revision, None).await.unwrap();
    }

    async fn back_up(&self) {
        self.control(&["snapshot", "save", self.backup().to_str().unwrap()]);
    }

    async fn restore(&self) {
        self.process.kill();
        self.process.restore(&self.backup());
        self.start().await;
    }

    async fn replace(&self) {
        self.process.kill();
        self.process.forget();
        self.start().await;
        let administration = self.administration();
        administration.enable().await.unwrap();
        let admitted = self.admitted.lock().unwrap().clone();
        for (cluster, uid) in &admitted {
            administration.ensure_cluster(cluster, uid).await.unwrap();
        }
    }

    async fn put_raw(&self, key: &str, value: &[u8]) {
        self.client().await.unwrap().put(key, value, None).await.unwrap();
    }

    async fn raw(&self, key: &str) -> Vec<u8> {
        self.client().await.unwrap().get(key, None).await.unwrap().kvs()[0].value().to_vec()
    }

    async fn revision(&self) -> i64 {
        let answer = self.client().await.unwrap().get("/", None).await.unwrap();
        answer.header().unwrap().revision()
    }
}

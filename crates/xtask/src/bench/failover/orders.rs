//! Berth on the local Kubernetes, as a tenant reaches it: through the proxy.

use super::subject::{Blow, Subject};
use anyhow::{Context, Result};
use berth_e2e::database::{Database, UNHURRIED};
use berth_e2e::kubernetes::{self, Room};
use berth_e2e::{Place, deployment, eventually, kubectl, tenant};
use std::collections::BTreeSet;
use tokio_postgres::Config;

/// A cluster of three.
pub(super) struct Orders {
    database: Database,
    room: Room,
    /// Which blow to a container this is: in every second one the API server does not run.
    containers: usize,
    /// What is off: the API server, a node.
    headless: bool,
    dark: Option<u8>,
    /// The term that the last blow ended: what the status says of it is from before the blow.
    hurt: Option<u64>,
    _place: Place,
}

impl Orders {
    /// Makes the cluster, and waits until it is whole.
    pub(super) fn create() -> Result<Self> {
        // One, so that one of the three nodes holds neither it nor etcd.
        let one = ["scale", "deployment/berth-proxy", "-n", deployment::NAMESPACE, "--replicas=1"];
        kubectl::kubectl(&one)?;
        eventually(UNHURRIED, "one proxy is left", || {
            Ok((deployment::pods("berth-proxy")?.len() == 1).then_some(()))
        })?;
        let place = Place::new("bench-failover")?;
        let database = Database::named(&place, "orders");
        kubectl::apply(&database.manifest(3, "").replace("size: 512Mi", "size: 4Gi"))?;
        database.wait_ready()?;
        let room = kubernetes::attach()?;
        Ok(Self { database, room, containers: 0, headless: false, dark: None, hurt: None, _place: place })
    }

    /// The nodes without which no client could see a failover: those of etcd, which has one member here, and of the proxy.
    fn needed(&self) -> Result<BTreeSet<u8>> {
        let pods = ["berth-etcd", "berth-proxy"].map(deployment::pods);
        let pods: Vec<_> = pods.into_iter().collect::<Result<Vec<_>>>()?.concat();
        pods.iter().map(|pod| self.room.node_of(pod)).collect()
    }

    /// Moves the primary until its node can be taken.
    fn move_away(&self) -> Result<()> {
        let needed = self.needed()?;
        let pods = self.database.pods()?;
        let free =
            pods.iter().find(|(_, pod)| self.room.node_of(pod).is_ok_and(|node| !needed.contains(&node)));
        let (member, _) = free.context("no member is on a node that can be taken")?;
        if self.database.primary()? != *member {
            self.database.switch_over_to(member)?;
            self.database.wait_ready()?;
        }
        Ok(())
    }

    fn hand_over(&self) -> Result<()> {
        let term = self.database.term()?;
        self.database.switch_over()?;
        eventually(UNHURRIED, "another primary", || Ok((self.database.term()? > term).then_some(())))
    }
}

impl Subject for Orders {
    fn name(&self) -> String {
        "Berth".to_owned()
    }

    fn config(&self) -> Result<Config> {
        let owner = self.database.owner()?;
        let (host, port) = tenant::proxy()?;
        let mut config = Config::new();
        config.host(host).port(port.parse().context("the proxy's port is no number")?);
        config.user(owner.user()).password(owner.password()).dbname(owner.database());
        Ok(config)
    }

    fn blows(&self) -> &[Blow] {
        &[Blow::Process, Blow::Container, Blow::Node, Blow::Switchover]
    }

    fn prepare(&mut self, blow: Blow) -> Result<()> {
        match blow {
            Blow::Node => self.move_away(),
            Blow::Process | Blow::Container | Blow::Switchover => Ok(()),
        }
    }

    fn strike(&mut self, blow: Blow) -> Result<()> {
        let primary = self.database.primary()?;
        self.hurt = Some(self.database.term()?);
        match blow {
            Blow::Process => self
                .database
                .in_member(&primary, "kill -KILL $(head -1 /berth/data/pgdata/postmaster.pid)")
                .map(drop),
            Blow::Container => {
                let container = self.room.container(&self.database.pods()?[&primary], "database")?;
                self.containers += 1;
                if self.containers.is_multiple_of(2) {
                    self.room.stop_api_server()?;
                    self.headless = true;
                }
                self.room.kill(&container)
            }
            Blow::Node => {
                let node = self.room.node_of(&self.database.pods()?[&primary])?;
                self.dark = Some(node);
                self.room.power_off(node)
            }
            Blow::Switchover => self.hand_over(),
        }
    }

    fn mend(&mut self, _blow: Blow) -> Result<()> {
        if std::mem::take(&mut self.headless) {
            self.room.start_api_server()?;
        }
        match self.dark.take() {
            Some(node) => self.room.power_on(node),
            None => Ok(()),
        }
    }

    fn whole(&mut self) -> Result<bool> {
        let ready = self.database.condition("Ready")?.is_some_and(|(status, ..)| status == "True");
        Ok(ready && Some(self.database.term()?) > self.hurt)
    }
}

//! One client that writes versions, and one that reads them, for each register.

use super::rows::{ended, number_of};
use super::{Told, Worker};
use crate::chaos::session::{Session, Trouble, in_time};

/// Writes the next version.
#[derive(Debug)]
pub(super) struct Writer(pub(super) usize);

impl Worker for Writer {
    const WORKLOAD: &'static str = "register";

    async fn act(&mut self, session: &Session, told: &Told) -> Result<(), Trouble> {
        let Self(key) = *self;
        let version = told.stage.register(key).writes();
        // A write of which nobody knows may take effect after the next one; it must not undo it then.
        let sql = format!(
            "update chaos_registers set version = {version} where key = {key} and version < {version}"
        );
        let (fate, trouble) = ended(session.batch(&sql).await, true);
        told.stage.register(key).ended(version, fate);
        told.wrote(Self::WORKLOAD, &format!("write {version} to {key}"), fate, trouble, session).await
    }
}

/// Reads it.
#[derive(Debug)]
pub(super) struct Reader(pub(super) usize);

impl Worker for Reader {
    const WORKLOAD: &'static str = "register";

    async fn act(&mut self, session: &Session, told: &Told) -> Result<(), Trouble> {
        let Self(key) = *self;
        let floor = told.stage.register(key).floor();
        let outcome = version(session, key).await.map(|version| {
            if let Some(mut finding) = told.stage.register(key).read(floor, version) {
                finding.what = format!("register {key}: {}", finding.what);
                told.scene.find(finding);
            }
        });
        told.read(Self::WORKLOAD, &format!("read register {key}"), outcome)
    }
}

/// The version that is there.
pub(super) async fn version(session: &Session, key: usize) -> Result<i64, Trouble> {
    let sql = "select version from chaos_registers where key = $1";
    let row = in_time(session.client().query_one(sql, &[&number_of(key)])).await?;
    row.try_get(0).map_err(Trouble::from)
}

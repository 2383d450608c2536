//! What the clients of all workloads have sent and were told, and the last look at what became of it.

use super::{lists, register};
use crate::chaos::check::sequence::{Row, Verdict};
use crate::chaos::check::{Finding, Lists, Register, Sequence, bank};
use crate::chaos::scene::Scene;
use crate::chaos::session::{Session, Trouble, in_time};
use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// How many registers there are.
pub(super) const REGISTERS: usize = 2;
/// How many clients move money.
const MOVERS: usize = 2;

/// Every table, made anew.
pub(super) const TABLES: &str = "\
    drop table if exists chaos_rows, chaos_lists, chaos_accounts, chaos_ledger, chaos_registers; \
    create table chaos_rows (writer integer not null, n integer not null); \
    create index on chaos_rows (n); \
    create table chaos_lists (key bigint primary key, items bigint[] not null); \
    create table chaos_accounts (id integer primary key, balance bigint not null); \
    insert into chaos_accounts select id, 1000 from generate_series(0, 7) id; \
    create table chaos_ledger (mover integer not null, n integer not null, source integer not null, target integer not null, amount bigint not null); \
    create table chaos_registers (key integer primary key, version bigint not null); \
    insert into chaos_registers select key, 0 from generate_series(0, 1) key";

/// The histories of all workloads.
#[derive(Debug)]
pub struct Stage {
    rows: Mutex<Sequence>,
    /// Up to where rows were looked for.
    looked: Mutex<Vec<usize>>,
    ledger: Mutex<Sequence>,
    lists: Mutex<Lists>,
    registers: [Mutex<Register>; REGISTERS],
}

/// What the last look found besides what is wrong.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Kept {
    /// Acknowledged rows and transfers that are there.
    pub there: u64,
    /// Those that are not.
    pub lost: u64,
    /// Rows and transfers of which nobody knew, and that are there.
    pub unknown_there: u64,
    /// Those that are not.
    pub unknown_absent: u64,
}

impl Default for Stage {
    fn default() -> Self {
        Self {
            rows: Mutex::new(Sequence::of(super::rows::WRITERS)),
            looked: Mutex::new(vec![0; super::rows::WRITERS]),
            ledger: Mutex::new(Sequence::of(MOVERS)),
            lists: Mutex::default(),
            registers: Default::default(),
        }
    }
}

impl Stage {
    pub(super) fn rows(&self) -> MutexGuard<'_, Sequence> {
        lock(&self.rows)
    }

    pub(super) fn ledger(&self) -> MutexGuard<'_, Sequence> {
        lock(&self.ledger)
    }

    pub(super) fn lists(&self) -> MutexGuard<'_, Lists> {
        lock(&self.lists)
    }

    pub(super) fn register(&self, key: usize) -> MutexGuard<'_, Register> {
        lock(&self.registers[key % REGISTERS])
    }

    /// Rows that were acknowledged since the last call and are not there.
    pub(super) async fn lost_since_last(&self, session: &Session) -> Result<Vec<Row>, Trouble> {
        let history = self.rows().clone();
        let since = lock(&self.looked).clone();
        let least = since.iter().copied().min().unwrap_or(0);
        let there: BTreeSet<Row> = rows(session, "chaos_rows", "writer", least).await?.into_iter().collect();
        *lock(&self.looked) = history.sent();
        Ok(history.lost(&there, &since))
    }

    /// Everything that was told, held against everything that is there. Nobody may be writing any more.
    pub(super) async fn judge(&self, session: &Session, scene: &Scene) -> Result<Kept, Trouble> {
        let mut kept = Kept::default();
        let there = rows(session, "chaos_rows", "writer", 0).await?;
        kept.add(self.rows().judge(&there), "rows", scene);
        let there = rows(session, "chaos_ledger", "mover", 0).await?;
        kept.add(self.ledger().judge(&there), "ledger", scene);
        let (balances, ledger) = money(session).await?;
        for finding in bank::balances(&balances, &ledger) {
            scene.find(finding);
        }
        let keys = self.lists().keys();
        for key in keys {
            let begun = self.lists().begun(key);
            let items = lists::items(session, key).await?;
            for finding in self.lists().read(key, begun, &items) {
                scene.find(finding);
            }
        }
        for key in 0..REGISTERS {
            let floor = self.register(key).floor();
            let version = register::version(session, key).await?;
            if let Some(finding) = self.register(key).read(floor, version) {
                scene.find(finding);
            }
        }
        Ok(kept)
    }
}

impl Kept {
    fn add(&mut self, verdict: Verdict, table: &str, scene: &Scene) {
        let Verdict { kept, lost, unknown_there, unknown_absent, findings } = verdict;
        self.there += kept;
        self.lost += lost;
        self.unknown_there += unknown_there;
        self.unknown_absent += unknown_absent;
        for Finding { wrong, what } in findings {
            scene.find(Finding::new(wrong, format!("{table}: {what}")));
        }
    }
}

async fn rows(session: &Session, table: &str, who: &str, least: usize) -> Result<Vec<Row>, Trouble> {
    let sql = format!("select {who}, n from {table} where n > {least}");
    let found = in_time(session.client().query(&sql, &[])).await?;
    found
        .iter()
        .map(|row| {
            let (who, number): (i32, i32) = (row.try_get(0)?, row.try_get(1)?);
            Ok((size(who), size(number)))
        })
        .collect::<Result<_, tokio_postgres::Error>>()
        .map_err(Trouble::from)
}

/// All balances by account, and all transfers.
async fn money(session: &Session) -> Result<(Vec<i64>, Vec<bank::Transfer>), Trouble> {
    let client = session.client();
    let accounts = in_time(client.query("select balance from chaos_accounts order by id", &[])).await?;
    let balances = accounts.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?;
    let lines = in_time(client.query("select source, target, amount from chaos_ledger", &[])).await?;
    let transfer = |row: &tokio_postgres::Row| {
        let (source, target): (i32, i32) = (row.try_get(0)?, row.try_get(1)?);
        Ok((size(source), size(target), row.try_get(2)?))
    };
    let ledger = lines.iter().map(transfer).collect::<Result<_, tokio_postgres::Error>>()?;
    Ok((balances, ledger))
}

/// A number that is never negative in our tables; if it is, no writer has it.
fn size(number: i32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

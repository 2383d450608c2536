//! Clients that move money between accounts, and one that adds all of it up.

use super::rows::{ended, number_of};
use super::{Told, Worker};
use crate::chaos::check::bank::{ACCOUNTS, sum};
use crate::chaos::session::{Session, Trouble, in_time};

/// Moves money from one account to another, with a line in the ledger, in one transaction.
#[derive(Debug)]
pub(super) struct Mover(pub(super) usize);

impl Worker for Mover {
    const WORKLOAD: &'static str = "bank";

    async fn act(&mut self, session: &Session, told: &Told) -> Result<(), Trouble> {
        let Self(mover) = *self;
        let number = told.stage.ledger().sends(mover);
        let (from, to) = (number % ACCOUNTS, (number / ACCOUNTS + mover) % ACCOUNTS);
        let to = if from == to { (to + 1) % ACCOUNTS } else { to };
        let amount = 1 + number % 17;
        // In the order of their ids, so that two movers never wait for each other in a ring.
        let mut changes = [(from, "-"), (to, "+")];
        changes.sort_unstable();
        let [(a, a_sign), (b, b_sign)] = changes;
        let open = session
            .batch(&format!(
                "begin; \
                 update chaos_accounts set balance = balance {a_sign} {amount} where id = {a}; \
                 update chaos_accounts set balance = balance {b_sign} {amount} where id = {b}; \
                 insert into chaos_ledger values ({mover}, {number}, {from}, {to}, {amount})"
            ))
            .await;
        let (fate, trouble) = match open {
            Ok(()) => ended(session.batch("commit").await, true),
            Err(trouble) => ended(Err(trouble), false),
        };
        told.stage.ledger().ended((mover, number), fate);
        told.wrote(
            Self::WORKLOAD,
            &format!("transfer {} of {mover}", number_of(number)),
            fate,
            trouble,
            session,
        )
        .await
    }
}

/// Adds up all balances.
#[derive(Debug)]
pub(super) struct Auditor;

impl Worker for Auditor {
    const WORKLOAD: &'static str = "bank";

    async fn act(&mut self, session: &Session, told: &Told) -> Result<(), Trouble> {
        let sql = "select sum(balance)::bigint from chaos_accounts";
        let outcome = in_time(session.client().query_one(sql, &[])).await;
        let outcome = outcome.and_then(|row| row.try_get(0).map_err(Trouble::from)).map(|total| {
            if let Some(finding) = sum(total) {
                told.scene.find(finding);
            }
        });
        told.read(Self::WORKLOAD, "add up", outcome)
    }
}

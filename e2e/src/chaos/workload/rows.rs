//! Acknowledged sequence inserts. The table has no unique key, so that an insert that somebody did twice shows.

use super::{Told, Worker};
use crate::chaos::check::{Fate, fate};
use crate::chaos::scene::Counts;
use crate::chaos::session::{Session, Trouble, in_time};
use tokio_postgres::Statement;

/// How many clients insert.
pub(super) const WRITERS: usize = 4;

/// Inserts its next number: every second client by a prepared statement alone, the others in a transaction.
#[derive(Debug)]
pub(super) struct Writer {
    writer: usize,
    insert: Option<Statement>,
}

impl Writer {
    pub(super) fn new(writer: usize) -> Self {
        Self { writer, insert: None }
    }

    async fn insert(&self, session: &Session, number: usize) -> (Fate, Option<Trouble>) {
        let client = session.client();
        let (writer, number) = (number_of(self.writer), number_of(number));
        let one = async {
            match &self.insert {
                Some(insert) => in_time(client.execute(insert, &[&writer, &number])).await,
                None => {
                    in_time(client.execute("insert into chaos_rows values ($1, $2)", &[&writer, &number]))
                        .await
                }
            }
        };
        if self.writer.is_multiple_of(2) {
            return ended(one.await.map(drop), true);
        }
        let open = async {
            session.batch("begin").await?;
            one.await
        };
        match open.await {
            Ok(_) => ended(session.batch("commit").await, true),
            Err(trouble) => ended(Err(trouble), false),
        }
    }
}

impl Worker for Writer {
    const WORKLOAD: &'static str = "rows";

    async fn begin(&mut self, session: &Session) -> Result<(), Trouble> {
        let insert = session.client().prepare("insert into chaos_rows values ($1, $2)");
        self.insert = Some(in_time(insert).await?);
        Ok(())
    }

    async fn act(&mut self, session: &Session, told: &Told) -> Result<(), Trouble> {
        let number = told.stage.rows().sends(self.writer);
        let (fate, trouble) = self.insert(session, number).await;
        told.stage.rows().ended((self.writer, number), fate);
        told.wrote(Self::WORKLOAD, &format!("insert {number} of {}", self.writer), fate, trouble, session)
            .await
    }
}

/// The fate of what ended so, with the trouble if there was one.
pub(super) fn ended(outcome: Result<(), Trouble>, decisive: bool) -> (Fate, Option<Trouble>) {
    match outcome {
        Ok(()) => (Fate::Acknowledged, None),
        Err(trouble) => (fate(trouble.code.as_deref(), decisive), Some(trouble)),
    }
}

impl Told {
    /// Counts a write, and leaves the session as it should be for the next one.
    pub(super) async fn wrote(
        &self,
        workload: &'static str,
        doing: &str,
        fate: Fate,
        trouble: Option<Trouble>,
        session: &Session,
    ) -> Result<(), Trouble> {
        let Some(trouble) = trouble else {
            self.scene.wrote(self.worker, workload, fate);
            return Ok(());
        };
        self.scene.trouble(workload, doing, &trouble, |counts| match fate {
            Fate::Acknowledged => counts.acknowledged += 1,
            Fate::Refused => counts.refused += 1,
            Fate::Unknown => counts.unknown += 1,
        });
        if trouble.ends {
            return Err(trouble);
        }
        // Outside of a transaction this is answered with a warning.
        session.batch("rollback").await
    }

    /// Counts a read.
    pub(super) fn read(
        &self,
        workload: &'static str,
        doing: &str,
        outcome: Result<(), Trouble>,
    ) -> Result<(), Trouble> {
        let Err(trouble) = outcome else {
            self.scene.read(self.worker, workload);
            return Ok(());
        };
        let count = |counts: &mut Counts| counts.failed_reads += 1;
        self.scene.trouble(workload, doing, &trouble, count);
        if trouble.ends { Err(trouble) } else { Ok(()) }
    }
}

/// A number as PostgreSQL's `integer`.
pub(super) fn number_of(number: usize) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

//! Clients that append to one list, and one that reads it.

use super::rows::ended;
use super::{Told, Worker};
use crate::chaos::session::{Session, Trouble, in_time};

/// Appends one element.
#[derive(Debug)]
pub(super) struct Appender;

impl Worker for Appender {
    const WORKLOAD: &'static str = "lists";

    async fn act(&mut self, session: &Session, told: &Told) -> Result<(), Trouble> {
        let (key, element) = told.stage.lists().appends();
        let sql = format!(
            "insert into chaos_lists values ({key}, array[{element}]::bigint[]) \
             on conflict (key) do update set items = chaos_lists.items || excluded.items"
        );
        let (fate, trouble) = ended(session.batch(&sql).await, true);
        told.stage.lists().ended(element, fate);
        told.wrote(Self::WORKLOAD, &format!("append {element}"), fate, trouble, session).await
    }
}

/// Reads the list that grows.
#[derive(Debug)]
pub(super) struct Reader;

impl Worker for Reader {
    const WORKLOAD: &'static str = "lists";

    async fn act(&mut self, session: &Session, told: &Told) -> Result<(), Trouble> {
        let (key, begun) = told.stage.lists().reads();
        let outcome = items(session, key).await.map(|items| {
            for finding in told.stage.lists().read(key, begun, &items) {
                told.scene.find(finding);
            }
        });
        told.read(Self::WORKLOAD, &format!("read list {key}"), outcome)
    }
}

/// The list as it is.
pub(super) async fn items(session: &Session, key: i64) -> Result<Vec<i64>, Trouble> {
    let sql = "select items from chaos_lists where key = $1";
    let row = in_time(session.client().query_opt(sql, &[&key])).await?;
    row.map_or(Ok(Vec::new()), |row| row.try_get(0)).map_err(Trouble::from)
}

//! The owner's verifier as it lies in the mounted Secret. Decisions know its digest only; the verifier itself goes straight to the database.

use berth_core::election::Event;
use sha2::{Digest, Sha256};
use std::fmt::Write;
use std::path::PathBuf;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::interval;

/// How often the file is looked at. Kubernetes itself takes up to a minute to bring a changed Secret here.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Tells of every change of the file, first of what it is now; ends when nobody listens.
pub async fn watch_verifier(file: PathBuf, events: mpsc::Sender<Event>) {
    let mut told = None;
    let mut looks = interval(LOOK_EVERY);
    loop {
        looks.tick().await;
        let now = tokio::fs::read_to_string(&file).await.ok().map(|text| digest(text.trim()));
        if told.as_ref() == Some(&now) {
            continue;
        }
        told = Some(now.clone());
        if events.send(Event::Verifier(now)).await.is_err() {
            return;
        }
    }
}

/// The digest by which a verifier is known.
pub fn digest(verifier: &str) -> String {
    let mut text = String::new();
    for byte in Sha256::digest(verifier.as_bytes()) {
        // Writing to a string cannot fail.
        let _infallible = write!(text, "{byte:02x}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_file_is_told_of_when_it_comes_and_when_it_changes() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("owner.verifier");
        let (send, mut events) = mpsc::channel(4);
        let watching = tokio_util::task::TaskTracker::new().spawn(watch_verifier(file.clone(), send));
        assert_eq!(events.recv().await, Some(Event::Verifier(None)));
        for text in ["SCRAM-SHA-256$1", "SCRAM-SHA-256$2"] {
            std::fs::write(&file, format!("{text}\n")).unwrap();
            let Some(Event::Verifier(Some(told))) = events.recv().await else { panic!("not told") };
            assert_eq!(told, digest(text));
            assert!(!told.contains("SCRAM"), "the digest tells nothing");
        }
        watching.abort();
    }
}

//! Objects that make no sense are refused with words that say what to do, and nothing is changed by them.

use anyhow::Result;
use berth_e2e::{Database, Place, kubectl};

/// Applies a change to a valid manifest and checks the API server's words.
fn refused(database: &Database, from: &str, to: &str, words: &str) -> Result<()> {
    let manifest = database.manifest(3, "");
    assert!(manifest.contains(from), "the manifest has {from:?}:\n{manifest}");
    let said = kubectl::refused(&manifest.replace(from, to))?;
    assert!(said.contains(words), "{to:?} should be refused with {words:?}, not:\n{said}");
    Ok(())
}

#[test]
fn nonsense_is_refused_with_words_that_say_what_to_do() -> Result<()> {
    let place = Place::new("story-refusals")?;
    let database = Database::named(&place, "orders");
    kubectl::apply(&database.manifest(1, ""))?;
    refused(&database, "acks: 1", "acks: 3", "acks")?;
    refused(&database, "members: 3", "members: 0", "members")?;
    refused(&database, "name: orders", "name: or.ders", "without dots")?;
    refused(&database, "version: \"17\"", "version: \"17\"\n      parameters: {fsync: \"off\"}", "fsync")?;
    refused(&database, "size: 512Mi", "size: 256Mi", "size")?;
    refused(&database, "  durability:", "  durabilty: {}\n  durability:", "durabilty")?;
    Ok(())
}

#[test]
fn a_class_that_is_not_there_is_reported_and_harms_nobody() -> Result<()> {
    let place = Place::new("story-no-class")?;
    let good = Database::create(&place, "good", 1)?;
    let odd = Database::named(&place, "odd");
    kubectl::apply(&odd.manifest(1, "  class: no-such-class\n"))?;
    good.wait_ready()?;
    berth_e2e::eventually(berth_e2e::database::UNHURRIED, "the odd one says what to do", || {
        let blocked = odd.object()?["status"]["blocked"].to_string();
        Ok(blocked.contains("no-such-class").then_some(()))
    })?;
    assert!(odd.pods()?.is_empty(), "nothing was made for it");
    Ok(())
}

//! Looks for canaries, in every spelling in which they may turn up.

use std::fs;
use std::path::Path;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD_NO_PAD;
use rusqlite::Connection;
use rusqlite::types::ValueRef;

/// Returns the spellings of a canary; base64 of its middle, which is the same wherever it begins in what was encoded.
fn spellings(canary: &str) -> Vec<Vec<u8>> {
    let mut all = vec![
        canary.as_bytes().to_vec(),
        hex::encode(canary).into_bytes(),
        hex::encode_upper(canary).into_bytes(),
    ];
    for skipped in 0..3 {
        let padded = format!("{}{canary}", "x".repeat(skipped));
        let encoded = BASE64_STANDARD_NO_PAD.encode(padded);
        // Without the ends, which depend on the neighbours.
        all.push(encoded.as_bytes()[4..encoded.len() - 4].to_vec());
    }
    all
}

/// Lists the canaries that stand in these bytes.
pub(crate) fn found(canaries: &[String], place: &str, bytes: &[u8]) -> Vec<String> {
    // Every spelling is ASCII, and the search in a text is quick also without optimisations.
    let text = String::from_utf8_lossy(bytes);
    let stands = |spelling: &Vec<u8>| text.contains(&*String::from_utf8_lossy(spelling));
    canaries
        .iter()
        .filter(|canary| spellings(canary).iter().any(stands))
        .map(|canary| format!("{canary} in {place}"))
        .collect()
}

/// Searches all files below a folder; the key and the token are secrets in files of their own.
pub(crate) fn found_in_files(canaries: &[String], folder: &Path) -> Vec<String> {
    let mut all = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            all.extend(found_in_files(canaries, &path));
        } else if !path.ends_with("vault.key") && !path.ends_with("admin-token") {
            let bytes = fs::read(&path).unwrap();
            all.extend(found(canaries, &path.display().to_string(), &bytes));
        }
    }
    all
}

/// Searches every value of every table: in the file, a long one may stand in pieces.
pub(crate) fn found_in_database(canaries: &[String], path: &Path) -> Vec<String> {
    let db = Connection::open(path).unwrap();
    let mut tables = db
        .prepare("SELECT name FROM sqlite_schema WHERE type = 'table'")
        .unwrap();
    let tables: Vec<String> = tables
        .query_map([], |row| row.get(0))
        .unwrap()
        .map(Result::unwrap)
        .collect();
    assert!(tables.len() > 8, "the schema is read");
    let (mut all, mut values) = (Vec::new(), 0);
    for table in tables {
        let mut rows = db.prepare(&format!("SELECT * FROM \"{table}\"")).unwrap();
        let columns = rows.column_count();
        let mut rows = rows.query([]).unwrap();
        while let Some(row) = rows.next().unwrap() {
            for column in 0..columns {
                let (ValueRef::Text(bytes) | ValueRef::Blob(bytes)) = row.get_ref(column).unwrap()
                else {
                    continue;
                };
                values += 1;
                let place = format!("column {column} of table {table}");
                all.extend(found(canaries, &place, bytes));
            }
        }
    }
    assert!(values > 100, "the rows are read");
    all
}

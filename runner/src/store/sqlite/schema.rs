//! The tables, and how a database of an older version becomes one of this version (G9).

use rusqlite::Connection;

/// Marks a database as one of ours: `RUNR`.
const APPLICATION_ID: i32 = 0x5255_4e52;

/// One entry brings the schema one version forward. Never change an entry that was released: add one.
///
/// What is written for every execution stands in small rows whose indexes only grow at their end; whatever is large or rare has
/// a table of its own. What the state of an instance takes is counted as it changes, by triggers, so that a limit costs nothing to keep. Partial indexes hold the few executions that somebody looks for among many. An orphan is a result whose execution
/// is gone.
pub(super) const MIGRATIONS: &[&str] = &["
    CREATE TABLE execution (
        key INTEGER PRIMARY KEY,
        id TEXT NOT NULL UNIQUE,
        instance TEXT NOT NULL,
        flow TEXT NOT NULL,
        function INTEGER NOT NULL,
        invoked_by INTEGER NOT NULL,
        synchronous INTEGER NOT NULL,
        status INTEGER NOT NULL,
        result INTEGER,
        position INTEGER NOT NULL,
        order_key TEXT,
        accepted_at INTEGER NOT NULL,
        run_at INTEGER,
        started_at INTEGER,
        ended_at INTEGER,
        attempt INTEGER NOT NULL,
        starts INTEGER NOT NULL,
        journal TEXT,
        first TEXT,
        parent TEXT,
        unique_id TEXT,
        error TEXT,
        dead_letter INTEGER NOT NULL
    );
    CREATE INDEX execution_accepted ON execution (accepted_at);
    CREATE INDEX execution_unfinished ON execution (position) WHERE status < 3;
    CREATE INDEX execution_continuing ON execution (journal) WHERE journal IS NOT NULL AND status < 3;
    CREATE INDEX execution_repeating ON execution (first) WHERE first IS NOT NULL;
    CREATE INDEX execution_failed ON execution (accepted_at) WHERE status = 4;
    CREATE INDEX execution_dead ON execution (accepted_at) WHERE dead_letter = 1;

    CREATE TABLE payload (key INTEGER PRIMARY KEY, head TEXT NOT NULL, body BLOB NOT NULL);
    CREATE TABLE answer (key INTEGER PRIMARY KEY, answer TEXT NOT NULL);
    CREATE TABLE output (
        key INTEGER PRIMARY KEY,
        ended_at INTEGER NOT NULL,
        head TEXT NOT NULL,
        data BLOB,
        file TEXT
    );
    CREATE INDEX output_ended ON output (ended_at);
    CREATE UNIQUE INDEX output_file ON output (file) WHERE file IS NOT NULL;

    CREATE TABLE step (
        number INTEGER PRIMARY KEY,
        journal INTEGER NOT NULL,
        name TEXT NOT NULL,
        count INTEGER NOT NULL,
        execution TEXT,
        began_at INTEGER NOT NULL,
        ended_at INTEGER NOT NULL,
        attempts INTEGER NOT NULL,
        result TEXT,
        error TEXT,
        UNIQUE (journal, name, count)
    );

    CREATE TABLE log (
        line INTEGER PRIMARY KEY,
        execution INTEGER NOT NULL,
        number INTEGER NOT NULL,
        at INTEGER NOT NULL,
        level INTEGER NOT NULL,
        text TEXT NOT NULL,
        fields TEXT
    );
    CREATE INDEX log_number ON log (execution, number);
    CREATE INDEX log_at ON log (at);

    CREATE TABLE claim (value TEXT PRIMARY KEY, until INTEGER NOT NULL, execution TEXT NOT NULL) WITHOUT ROWID;
    CREATE INDEX claim_until ON claim (until);

    CREATE TABLE state (
        instance TEXT NOT NULL,
        scope INTEGER NOT NULL,
        owner TEXT NOT NULL,
        key TEXT NOT NULL,
        value TEXT,
        version INTEGER NOT NULL,
        PRIMARY KEY (instance, scope, owner, key)
    );

    CREATE TABLE instance (id TEXT PRIMARY KEY, open TEXT NOT NULL, sealed BLOB NOT NULL);
    CREATE TABLE tick (
        instance TEXT NOT NULL,
        flow TEXT NOT NULL,
        nominal INTEGER NOT NULL,
        PRIMARY KEY (instance, flow)
    ) WITHOUT ROWID;
    CREATE TABLE counter (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
    INSERT INTO counter VALUES ('position', 0), ('probe', 0);
", "
    ALTER TABLE execution ADD COLUMN caller_error TEXT;
", "
    CREATE TABLE orphan (key INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE);
", "
    ALTER TABLE log ADD COLUMN step TEXT;
", "
    UPDATE execution SET dead_letter = 0 WHERE function <> 0 AND dead_letter <> 0;
", "
    ALTER TABLE execution ADD COLUMN canceled_by TEXT;
    CREATE INDEX execution_unique ON execution (unique_id, position) WHERE unique_id IS NOT NULL;
", "
    CREATE TABLE state_size (instance TEXT PRIMARY KEY, bytes INTEGER NOT NULL) WITHOUT ROWID;
    INSERT INTO state_size SELECT instance, sum(octet_length(key) + octet_length(value)) FROM state
        WHERE scope <> 0 AND value IS NOT NULL GROUP BY instance;
    CREATE TRIGGER state_added AFTER INSERT ON state WHEN new.scope <> 0 AND new.value IS NOT NULL BEGIN
        INSERT INTO state_size VALUES (new.instance, octet_length(new.key) + octet_length(new.value))
            ON CONFLICT (instance) DO UPDATE SET bytes = bytes + excluded.bytes;
    END;
    CREATE TRIGGER state_changed AFTER UPDATE OF value ON state WHEN new.scope <> 0 BEGIN
        INSERT INTO state_size VALUES (new.instance, ifnull(octet_length(new.key) + octet_length(new.value), 0)
            - ifnull(octet_length(old.key) + octet_length(old.value), 0))
            ON CONFLICT (instance) DO UPDATE SET bytes = bytes + excluded.bytes;
    END;
    CREATE TRIGGER state_removed AFTER DELETE ON state WHEN old.scope <> 0 AND old.value IS NOT NULL BEGIN
        UPDATE state_size SET bytes = bytes - octet_length(old.key) - octet_length(old.value) WHERE instance = old.instance;
    END;
"];

/// Why a database cannot be brought to this version.
#[derive(Debug)]
pub(super) enum SchemaFault {
    /// It was written by a newer version.
    Newer { found: usize, known: usize },
    /// It belongs to another program.
    Foreign,
    /// The database does not do it.
    Sql(rusqlite::Error),
}

impl From<rusqlite::Error> for SchemaFault {
    fn from(fault: rusqlite::Error) -> Self {
        Self::Sql(fault)
    }
}

/// Brings the database to this version: each migration is a transaction of its own, so that a crash leaves a version, never half of one.
pub(super) fn migrate(db: &mut Connection, migrations: &[&str]) -> Result<(), SchemaFault> {
    let found: i64 = db.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let marked: i32 = db.pragma_query_value(None, "application_id", |row| row.get(0))?;
    let tables: i64 = db.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    if tables > 0 && marked != APPLICATION_ID {
        return Err(SchemaFault::Foreign);
    }
    let found = usize::try_from(found).unwrap_or(usize::MAX);
    if found > migrations.len() {
        return Err(SchemaFault::Newer {
            found,
            known: migrations.len(),
        });
    }
    for (version, migration) in migrations.iter().enumerate().skip(found) {
        let step = db.transaction()?;
        step.execute_batch(migration)?;
        step.pragma_update(None, "application_id", APPLICATION_ID)?;
        step.pragma_update(
            None,
            "user_version",
            i64::try_from(version + 1).unwrap_or(i64::MAX),
        )?;
        step.commit()?;
    }
    Ok(())
}

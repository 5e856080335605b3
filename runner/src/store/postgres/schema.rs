//! The tables, and how a database of an older version becomes one of this version (G9).

use super::fault::PostgresError;
use super::session::Session;

/// One entry brings the schema one version forward. Never change an entry that was released: add one.
///
/// Every text is kept as bytes: authors and senders may put a NUL into it, which a `text` cannot hold, and bytes sort as keys do, whatever
/// the collation of the database is. What the state of an instance takes is counted as it changes, by a trigger, so that a limit costs
/// nothing to keep. The highest position is the value of a sequence, which leaves no dead row behind when it grows. Partial indexes hold
/// the few executions that somebody looks for among many. A result may outlive its execution.
pub(super) const MIGRATIONS: &[&str] = &["
    CREATE TABLE execution (
        id bytea PRIMARY KEY,
        instance bytea NOT NULL,
        flow bytea NOT NULL,
        function bigint NOT NULL,
        invoked_by bigint NOT NULL,
        synchronous boolean NOT NULL,
        status bigint NOT NULL,
        result bigint,
        position bigint NOT NULL,
        order_key bytea,
        accepted_at bigint NOT NULL,
        run_at bigint,
        started_at bigint,
        ended_at bigint,
        attempt bigint NOT NULL,
        starts bigint NOT NULL,
        journal bytea,
        first bytea,
        parent bytea,
        unique_id bytea,
        error bytea,
        dead_letter boolean NOT NULL,
        caller_error bytea,
        canceled_by bytea
    );
    CREATE INDEX execution_accepted ON execution (accepted_at);
    CREATE INDEX execution_unfinished ON execution (position) WHERE status < 3;
    CREATE INDEX execution_continuing ON execution (journal) WHERE journal IS NOT NULL AND status < 3;
    CREATE INDEX execution_repeating ON execution (first) WHERE first IS NOT NULL;
    CREATE INDEX execution_unique ON execution (unique_id, position) WHERE unique_id IS NOT NULL;
    CREATE INDEX execution_failed ON execution (accepted_at) WHERE status = 4;
    CREATE INDEX execution_dead ON execution (accepted_at) WHERE dead_letter;

    CREATE TABLE payload (id bytea PRIMARY KEY, head bytea NOT NULL, body bytea NOT NULL);
    CREATE TABLE answer (id bytea PRIMARY KEY, answer bytea NOT NULL);
    CREATE TABLE output (id bytea PRIMARY KEY, ended_at bigint NOT NULL, head bytea NOT NULL, data bytea NOT NULL);
    CREATE INDEX output_ended ON output (ended_at);

    CREATE TABLE step (
        number bigint GENERATED ALWAYS AS IDENTITY,
        journal bytea NOT NULL,
        name bytea NOT NULL,
        count bigint NOT NULL,
        execution bytea,
        began_at bigint NOT NULL,
        ended_at bigint NOT NULL,
        attempts bigint NOT NULL,
        result bytea,
        error bytea,
        PRIMARY KEY (journal, name, count)
    );

    CREATE TABLE log (
        line bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        execution bytea NOT NULL,
        number bigint NOT NULL,
        at bigint NOT NULL,
        level bigint NOT NULL,
        text bytea NOT NULL,
        fields bytea,
        step bytea
    );
    CREATE INDEX log_number ON log (execution, number);
    CREATE INDEX log_at ON log (at);

    CREATE TABLE claim (value bytea PRIMARY KEY, until bigint NOT NULL, execution bytea NOT NULL);
    CREATE INDEX claim_until ON claim (until);

    CREATE TABLE state (
        instance bytea NOT NULL,
        scope bigint NOT NULL,
        owner bytea NOT NULL,
        key bytea NOT NULL,
        value bytea,
        version bigint NOT NULL,
        PRIMARY KEY (instance, scope, owner, key)
    );
    CREATE TABLE state_size (instance bytea PRIMARY KEY, bytes bigint NOT NULL);
    CREATE FUNCTION count_state() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
        DECLARE
            grown bigint := 0;
            owner bytea;
        BEGIN
            IF TG_OP <> 'DELETE' THEN
                owner := new.instance;
                grown := coalesce(octet_length(new.key) + octet_length(new.value), 0);
            END IF;
            IF TG_OP <> 'INSERT' THEN
                owner := old.instance;
                grown := grown - coalesce(octet_length(old.key) + octet_length(old.value), 0);
            END IF;
            IF grown <> 0 THEN
                INSERT INTO state_size AS kept VALUES (owner, grown)
                    ON CONFLICT (instance) DO UPDATE SET bytes = kept.bytes + excluded.bytes;
            END IF;
            RETURN NULL;
        END
    $$;
    CREATE TRIGGER state_added AFTER INSERT ON state FOR EACH ROW WHEN (new.scope <> 0) EXECUTE FUNCTION count_state();
    CREATE TRIGGER state_changed AFTER UPDATE OF value ON state FOR EACH ROW WHEN (new.scope <> 0) EXECUTE FUNCTION count_state();
    CREATE TRIGGER state_removed AFTER DELETE ON state FOR EACH ROW WHEN (old.scope <> 0) EXECUTE FUNCTION count_state();

    CREATE TABLE instance (id bytea PRIMARY KEY, open bytea NOT NULL, sealed bytea NOT NULL);
    CREATE TABLE tick (instance bytea NOT NULL, flow bytea NOT NULL, nominal bigint NOT NULL, PRIMARY KEY (instance, flow));

    CREATE SEQUENCE position;

    CREATE TABLE active (epoch bigint NOT NULL);
    INSERT INTO active VALUES (0);
    CREATE TABLE pulse (epoch bigint NOT NULL, beats bigint NOT NULL);
    INSERT INTO pulse VALUES (0, 0);
    CREATE TABLE key_check (sealed bytea NOT NULL);
    CREATE UNIQUE INDEX key_check_once ON key_check ((true));
"];

/// Returns the version of the schema; 0 if there is none yet. Changes nothing.
pub(super) async fn version(session: &Session) -> Result<usize, PostgresError> {
    let sql = "SELECT to_regclass('runner.schema_version') IS NOT NULL, \
        EXISTS (SELECT FROM pg_class WHERE relnamespace = to_regnamespace('runner'))";
    let row = session.client.query_one(sql, &[]).await?;
    match (row.try_get(0)?, row.try_get(1)?) {
        (true, _) => {}
        (false, true) => return Err(PostgresError::Foreign),
        (false, false) => return Ok(0),
    }
    let sql = "SELECT version FROM runner.schema_version";
    let version: i64 = session.client.query_one(sql, &[]).await?.try_get(0)?;
    Ok(usize::try_from(version).unwrap_or(usize::MAX))
}

/// Refuses a schema that this version does not know.
pub(super) async fn check(session: &Session, migrations: &[&str]) -> Result<usize, PostgresError> {
    let found = version(session).await?;
    if found > migrations.len() {
        return Err(PostgresError::Newer {
            found,
            known: migrations.len(),
        });
    }
    Ok(found)
}

/// Brings the database to this version: each migration is a transaction of its own, so that a crash leaves a version, never half of one.
pub(super) async fn migrate(session: &Session, migrations: &[&str]) -> Result<(), PostgresError> {
    let found = check(session, migrations).await?;
    for (version, migration) in migrations.iter().enumerate().skip(found) {
        let begin = match version {
            0 => begin_anew(session).await?,
            _ => String::new(),
        };
        let version = version + 1;
        let transaction = format!(
            "BEGIN; SET LOCAL statement_timeout TO 0; {begin} {migration} UPDATE schema_version SET version = {version}; COMMIT"
        );
        session.client.batch_execute(&transaction).await?;
    }
    Ok(())
}

/// Somebody who may make schemas may have made an empty one for a role that may not.
async fn begin_anew(session: &Session) -> Result<String, PostgresError> {
    let sql = "SELECT to_regnamespace('runner') IS NULL";
    let is_missing: bool = session.client.query_one(sql, &[]).await?.try_get(0)?;
    let schema = if is_missing {
        "CREATE SCHEMA runner;"
    } else {
        ""
    };
    Ok(format!(
        "{schema} CREATE TABLE schema_version (version bigint NOT NULL); INSERT INTO schema_version VALUES (0);"
    ))
}

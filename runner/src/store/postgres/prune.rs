//! Retention (E30): what is old goes, so much at a time that the writer is not held up.

use super::session::Ask;
use crate::store::Prune;

/// Takes executions that have ended, but none whose journal another one goes on with: its steps would run again (G2). A dead letter
/// stays with its journal until it is replayed or dismissed (E28). A result that is to be kept longer stays behind.
const EXECUTIONS: &str = "WITH old AS MATERIALIZED ( \
        SELECT id, instance FROM execution AS ended \
        WHERE accepted_at < $1 AND ended_at < $1 AND NOT dead_letter AND NOT EXISTS \
            (SELECT FROM execution AS other WHERE other.journal = ended.id AND other.status < 3) \
        AND NOT EXISTS \
            (SELECT FROM execution AS retry WHERE retry.first = ended.id AND retry.journal = ended.id AND retry.dead_letter) \
        ORDER BY accepted_at LIMIT $2 \
    ), \
    outputs AS (DELETE FROM output USING old WHERE output.id = old.id AND output.ended_at < $3), \
    payloads AS (DELETE FROM payload USING old WHERE payload.id = old.id), \
    answers AS (DELETE FROM answer USING old WHERE answer.id = old.id), \
    steps AS (DELETE FROM step USING old WHERE step.journal = old.id), \
    lines AS (DELETE FROM log USING old WHERE log.execution = old.id), \
    states AS (DELETE FROM state USING old WHERE state.instance = old.instance AND state.scope = 0 AND state.owner = old.id), \
    executions AS (DELETE FROM execution USING old WHERE execution.id = old.id) \
    SELECT count(*) FROM old";

const RESULTS: &str = "WITH gone AS (DELETE FROM output WHERE id IN \
    (SELECT id FROM output WHERE ended_at < $1 ORDER BY ended_at LIMIT $2) RETURNING 1) SELECT count(*) FROM gone";

const LINES: &str = "WITH gone AS (DELETE FROM log WHERE line IN \
    (SELECT line FROM log WHERE at < $1 ORDER BY at LIMIT $2) RETURNING 1) SELECT count(*) FROM gone";

const CLAIMS: &str = "WITH gone AS (DELETE FROM claim WHERE value IN \
    (SELECT value FROM claim WHERE until < $1 ORDER BY until LIMIT $2) RETURNING 1) SELECT count(*) FROM gone";

/// Takes away what ended before the given times; each statement answers how much it was.
pub(super) fn prune(bounds: &Prune) -> [Ask<'static>; 4] {
    let most = i64::from(bounds.at_most);
    let old = |sql, before: sdk::Timestamp| {
        Ask::new(sql, vec![Box::new(before.as_millis()), Box::new(most)])
    };
    let results_before = bounds.results_before.as_millis();
    let executions = vec![
        Box::new(bounds.executions_before.as_millis()) as _,
        Box::new(most) as _,
        Box::new(results_before) as _,
    ];
    [
        Ask::new(EXECUTIONS, executions),
        old(RESULTS, bounds.results_before),
        old(LINES, bounds.logs_before),
        old(CLAIMS, bounds.claims_before),
    ]
}

//! One suite for every store: what it says of one, it says of all.

mod execution;
mod fixture;
mod list;
mod prune;
mod state;

#[cfg(feature = "server")]
pub(super) use self::fixture::{accept, accept_write, at, finish, finish_write, output, payload};

/// Writes a test for each store: `cases!(module => case, case)`.
macro_rules! cases {
    ($($module:ident => $($case:ident),+;)+) => {
        mod memory {
            $($(
                #[tokio::test]
                async fn $case() {
                    super::$module::$case(&crate::store::MemoryStore::new()).await;
                }
            )+)+
        }

        #[cfg(feature = "server")]
        mod sqlite {
            $($(
                #[tokio::test]
                async fn $case() {
                    let folder = tempfile::tempdir().unwrap();
                    let options = crate::store::SqliteOptions {
                        // Small, so that the suite covers results in files.
                        inline_result_bytes: 64,
                        reserve_bytes: 0,
                        min_free_bytes: 0,
                        ..Default::default()
                    };
                    let path = folder.path().join("store.db");
                    let store = crate::store::SqliteStore::open(&path, &options).unwrap();
                    super::$module::$case(&store).await;
                }
            )+)+
        }

        #[cfg(feature = "postgres")]
        mod postgres {
            $($(
                #[tokio::test]
                async fn $case() {
                    let url = crate::store::postgres::tests::cluster::Cluster::shared().database();
                    let vault = crate::vault::Vault::clear();
                    let store = crate::store::PostgresStore::connect(&url, &Default::default(), vault).unwrap();
                    super::$module::$case(&store).await;
                }
            )+)+
        }
    };
}

cases! {
    execution =>
        an_accepted_execution_comes_back_as_it_was,
        a_payload_comes_back_byte_for_byte,
        an_answer_comes_back_as_it_was,
        what_was_never_accepted_is_not_there,
        an_execution_runs_from_accept_to_finish,
        a_requeued_execution_waits_with_its_starts,
        an_output_comes_back_small_or_large,
        a_final_execution_never_changes,
        only_the_dead_letter_of_a_final_execution_changes,
        an_execution_accepted_twice_is_a_duplicate_of_itself,
        a_claimed_delivery_is_a_duplicate_until_it_runs_out,
        a_refused_commit_leaves_nothing,
        steps_come_back_in_the_order_in_which_they_ended,
        a_step_of_the_same_id_replaces_the_first,
        a_step_sets_the_starts_back_to_one,
        a_retry_adds_to_the_journal_of_the_first_attempt,
        log_lines_come_back_by_number_and_in_pages,
        lines_and_steps_of_an_unknown_execution_are_dropped;
    list =>
        executions_are_listed_newest_first_and_then_by_id,
        a_list_goes_on_after_its_cursor_without_gap_or_repeat,
        every_filter_picks_its_executions,
        what_a_retry_gives_way_to_is_found,
        unfinished_executions_come_in_order_of_position,
        the_last_position_outlives_its_execution,
        instances_are_kept_replaced_and_erased;
    state =>
        a_value_of_the_state_has_a_version_that_grows,
        an_expected_version_that_is_not_there_refuses_the_commit,
        a_removed_key_begins_anew_above_its_last_version,
        states_come_in_the_order_of_their_keys,
        the_size_of_the_state_counts_keys_and_values_but_no_executions,
        a_commit_beyond_the_limit_of_the_state_is_refused,
        clearing_takes_one_owner_or_all,
        erasing_an_instance_takes_state_and_ticks_but_no_executions,
        a_tick_is_claimed_once_and_in_order;
    prune =>
        pruning_takes_what_is_old_and_nothing_else,
        pruning_takes_the_oldest_first_and_no_more_than_asked,
        pruning_keeps_the_journal_of_an_unfinished_retry,
        pruning_keeps_a_dead_letter_and_its_journal_until_it_is_none,
        a_result_outlives_its_execution_until_its_own_time_comes,
        pruning_takes_old_results_logs_and_claims;
}

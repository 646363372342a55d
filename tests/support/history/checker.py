"""The verdict on a history: each promise as rules, checked against every fact of a run, in the manner of Jepsen."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from tests.support.history import rules_clients, rules_faults, rules_files, rules_jobs, rules_others, rules_told
from tests.support.history.facts import History
from tests.support.history.rules_jobs import Finding

_EXAMPLES = 5

Rule = Callable[[History], Iterator[Finding]]

RULES: Mapping[str, Rule] = {
    "accepted_is_a_fact": rules_clients.accepted_is_a_fact,
    "jobs_are_final": rules_jobs.jobs_are_final,
    "nothing_is_invented": rules_clients.nothing_is_invented,
    "doorbells_are_not_lost_on_the_way": rules_clients.doorbells_are_not_lost_on_the_way,
    "one_final_transition": rules_jobs.one_final_transition,
    "tokens_are_used_once": rules_jobs.tokens_are_used_once,
    "only_the_holder_ends_an_attempt": rules_jobs.only_the_holder_ends_an_attempt,
    "live_leases_are_left_alone": rules_jobs.live_leases_are_left_alone,
    "workers_were_told_the_truth": rules_clients.workers_were_told_the_truth,
    "success_is_a_file": rules_files.success_is_a_file,
    "files_are_the_winners": rules_files.files_are_the_winners,
    "manifests_agree": rules_files.manifests_agree,
    "no_file_without_an_attempt": rules_files.no_file_without_an_attempt,
    "downloads_are_the_files": rules_files.downloads_are_the_files,
    "budgets_are_kept": rules_jobs.budgets_are_kept,
    "one_key_is_one_job": rules_clients.one_key_is_one_job,
    "legal_edges": rules_jobs.legal_edges,
    "histories_are_chains": rules_jobs.histories_are_chains,
    "versions_never_go_back": rules_clients.versions_never_go_back,
    "a_version_shows_one_thing": rules_clients.a_version_shows_one_thing,
    "what_is_shown_was_so": rules_clients.what_is_shown_was_so,
    "cancellations_are_kept": rules_clients.cancellations_are_kept,
    "recovery_is_bounded": rules_jobs.recovery_is_bounded,
    "own_faults_are_not_charged": rules_faults.own_faults_are_not_charged,
    "own_faults_are_told": rules_faults.own_faults_are_told,
    "own_faults_end_no_job": rules_faults.own_faults_end_no_job,
    "given_back_is_left_to_others": rules_faults.given_back_is_left_to_others,
    "locked_rows_delay_only_their_job": rules_faults.locked_rows_delay_only_their_job,
    "other_catalogs_end_no_job": rules_faults.other_catalogs_end_no_job,
    "nothing_paused_starts": rules_others.nothing_paused_starts,
    "held_doorbells_are_not_lost": rules_others.held_doorbells_are_not_lost,
    "deadlines_stand_still": rules_others.deadlines_stand_still,
    "bulk_actions_meet_a_job_once": rules_others.bulk_actions_meet_a_job_once,
    "bulk_actions_keep_their_horizon": rules_others.bulk_actions_keep_their_horizon,
    "bulk_actions_do_what_they_say": rules_others.bulk_actions_do_what_they_say,
    "a_tick_is_one_job": rules_others.a_tick_is_one_job,
    "every_tick_has_its_fate": rules_others.every_tick_has_its_fate,
    "ends_are_told": rules_told.ends_are_told,
    "only_what_happened_is_told": rules_told.only_what_happened_is_told,
    "what_is_owed_is_sent": rules_told.what_is_owed_is_sent,
    "acknowledged_is_recorded": rules_told.acknowledged_is_recorded,
}


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the rules found."""

    looked: Mapping[str, int]
    """Rule → the number of facts that it was checked against."""
    broken: Mapping[str, list[str]]
    """Rule → up to five examples of violations. Empty for a clean history."""
    worst_recovery_s: float
    """The longest time for which a dead worker's job stood still; 0 if none died."""


def check(history: History) -> Verdict:
    """Check every rule."""
    looked: dict[str, int] = {}
    broken: dict[str, list[str]] = {}
    for name, rule in RULES.items():
        looked[name] = 0
        for finding in rule(history):
            looked[name] += 1
            if finding is not None and len(broken.setdefault(name, [])) < _EXAMPLES:
                broken[name].append(finding)
    worst = max((seconds for _, seconds in rules_jobs.recoveries(history)), default=0.0)
    return Verdict(looked, broken, worst)

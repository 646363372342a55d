"""The checker is checked: a clean history passes, and each rule finds the violation that was planted for it."""

from collections.abc import Callable
from dataclasses import replace
from uuid import UUID

import pytest

from shared.jobs.states import JobStatus, Verb
from tests.support.history.checker import RULES, check
from tests.support.history.facts import (
    ArtifactRow,
    Asked,
    Cancelled,
    Catalog,
    Died,
    Downloaded,
    Ended,
    Event,
    History,
    JobRow,
    Kept,
    Locked,
    Met,
    Rang,
    Shown,
    StoredFile,
)
from tests.support.history.facts_of_others import (
    BulkResult,
    BulkRow,
    DeliveryRow,
    Paused,
    Posted,
    ScheduleRow,
    TickRow,
    ToldRow,
    WebhookRow,
)

WON, CANCELLED, GIVEN_BACK = UUID(int=1), UUID(int=2), UUID(int=3)
BULK, SCHEDULE, TICKED, AGAIN = (UUID(int=number) for number in range(21, 25))
HOOK, GONE, TOLD, TOLD_BEFORE, PICKY, TOLD_TOO = (UUID(int=number) for number in range(31, 37))
FIRST, SECOND, THIRD, FOURTH, FIFTH = (UUID(int=number) for number in range(11, 16))
PENDING, PROCESSING, SUCCESS, FAILED = JobStatus.PENDING, JobStatus.PROCESSING, JobStatus.SUCCESS, JobStatus.FAILED
CSV, MANIFEST = "a" * 64, "b" * 64
OWN = "https://a/own"


_CANCELLED_ROW = JobRow(CANCELLED, "t", JobStatus.CANCELLED, 2, 0, 3, 0, 2, None, ["csv"], True, None)


def _cancelled_at_once(job_id: UUID, at: float) -> list[Event]:
    return [
        Event(job_id, 1, None, PENDING, Verb.SUBMIT, 0, None, None, at),
        Event(job_id, 2, PENDING, JobStatus.CANCELLED, Verb.CANCEL, 0, None, None, at + 1),
    ]


def a_clean_history() -> History:
    """Three jobs, a schedule, a bulk action and some webhooks, of which everything is as it should be.

    The first worker of one job died, and the second one made the report. Another job was cancelled by its client. The
    third was given back by the first worker, whose catalog is older, and nobody else took it before its deadline.
    """
    history = History(lease_s=10, recovery_s=11)
    _add_what_clients_saw(history)
    _add_what_happened_to_services(history)
    _add_jobs(history)
    _add_what_asks_for_jobs(history)
    _add_webhooks(history)
    return history


def _add_what_clients_saw(history: History) -> None:
    history.asked = [
        Asked("csv", "k1", None, None, 0.5, 5.0),
        Asked("csv", "k1", 202, WON, 1.0, 1.1),
        Asked("csv", "k1", 202, WON, 1.0, 1.2),
        Asked("xlsx", "k1", 422, None, 2.0, 2.1),
        Asked("csv", None, 202, CANCELLED, 1.0, 1.1),
        Asked("csv", None, 202, GIVEN_BACK, 1.0, 1.1),
    ]
    history.shown = [
        Shown(WON, 2, PROCESSING, '{"v": 2}', 3.0, 3.1),
        Shown(WON, 6, SUCCESS, '{"v": 6}', 20.0, 20.1),
        Shown(GIVEN_BACK, 3, PENDING, '{"error": {"code": "report_type_differs"}}', 3.5, 3.6),
    ]
    history.cancelled = [
        Cancelled(CANCELLED, 200, 2.0),
        Cancelled(WON, 409, 30.0),
        *[Cancelled(job_id, 200, 35.0) for job_id in (AGAIN, TICKED)],
    ]
    history.downloaded = [Downloaded(WON, "r.csv", CSV)]


def _add_what_happened_to_services(history: History) -> None:
    """A worker died, a job met an older catalog, and somebody had locked a row meanwhile."""
    doorbell = f'{{"jobId": "{WON}"}}'
    history.ended = [Ended(WON, SECOND, SUCCESS)]
    history.kept = [Kept(WON, FIRST, 2.0)]
    history.rang = [
        Rang(doorbell, 1.2),
        Rang(doorbell, 13.0),
        Rang(f'{{"jobId": "{CANCELLED}"}}', 1.2),
        *[Rang(f'{{"jobId": "{GIVEN_BACK}"}}', at) for at in (1.2, 3.1)],
        *[Rang(f'{{"jobId": "{job_id}"}}', 31.0) for job_id in (AGAIN, TICKED)],
    ]
    history.died = [Died("w1", 3.5)]
    history.met = [Met(GIVEN_BACK, FOURTH, "parameters_no_longer_valid", 2.9)]
    history.locked = [Locked(CANCELLED, 1.4, 13.0)]
    history.catalogs = [Catalog("w1", {"r": "1"})]


def _add_jobs(history: History) -> None:
    history.events = [
        Event(WON, 1, None, PENDING, Verb.SUBMIT, 0, None, None, 1.0),
        Event(WON, 2, PENDING, PROCESSING, Verb.START, 1, FIRST, "w1", 1.5),
        Event(WON, 4, PROCESSING, PENDING, Verb.EXPIRE, 0, FIRST, "w1", 12.5),
        Event(WON, 5, PENDING, PROCESSING, Verb.START, 1, SECOND, "w2", 13.5),
        Event(WON, 6, PROCESSING, SUCCESS, Verb.SUCCEED, 1, SECOND, "w2", 15.0),
        Event(CANCELLED, 1, None, PENDING, Verb.SUBMIT, 0, None, None, 1.0),
        Event(CANCELLED, 2, PENDING, JobStatus.CANCELLED, Verb.CANCEL, 0, None, None, 2.0),
        Event(GIVEN_BACK, 1, None, PENDING, Verb.SUBMIT, 0, None, None, 1.0),
        Event(GIVEN_BACK, 2, PENDING, PROCESSING, Verb.START, 1, FOURTH, "w1", 2.0),
        Event(GIVEN_BACK, 3, PROCESSING, PENDING, Verb.GIVE_BACK, 0, FOURTH, "w1", 3.0),
        Event(GIVEN_BACK, 4, PENDING, FAILED, Verb.EXPIRE, 0, None, None, 25.0),
        *_cancelled_at_once(AGAIN, 21.0),
        *_cancelled_at_once(TICKED, 30.5),
    ]
    history.jobs = [
        JobRow(WON, "t", SUCCESS, 6, 1, 3, 1, 2, SECOND, ["csv"], False, "k1", figures={"rows": 1, "share": 0.2}),
        _CANCELLED_ROW,
        JobRow(
            GIVEN_BACK,
            "t",
            FAILED,
            4,
            0,
            3,
            0,
            2,
            None,
            ["csv"],
            False,
            None,
            "r",
            "2",
            "deadline_exceeded",
            24.9,
            callback=OWN,
            callback_when=["failure"],
        ),
        replace(_CANCELLED_ROW, id=AGAIN, retry_of=CANCELLED, by_bulk=True, key="bulk"),
        replace(_CANCELLED_ROW, id=TICKED, schedule_id=SCHEDULE),
    ]
    history.artifacts = [
        ArtifactRow(WON, SECOND, "r.csv", "csv", 5, CSV, 1),
        ArtifactRow(WON, SECOND, "manifest.json", "manifest", 9, MANIFEST, 0),
    ]
    history.files = [
        StoredFile("t", WON, FIRST, "r.csv", 3, "c" * 64),  # an orphan of the attempt that was lost
        StoredFile("t", WON, SECOND, "r.csv", 5, CSV),
        StoredFile("t", WON, SECOND, "manifest.json", 9, MANIFEST, _manifest(CSV)),
    ]


def _add_what_asks_for_jobs(history: History) -> None:
    """A schedule and a bulk action, and a pause of a report type."""
    history.paused = [Paused("report_type", "r", 5.0, 24.0)]
    history.bulks = [BulkRow(BULK, "t", "retry", "DONE", 20.0, {"retried": 1, "refused": 1})]
    history.bulk_results = [BulkResult(BULK, CANCELLED, "retried", AGAIN), BulkResult(BULK, WON, "refused")]
    history.schedules = [ScheduleRow(SCHEDULE, 10.0, 0.0, 40.0)]
    history.ticks = [
        TickRow(SCHEDULE, 20.0, "due", "skipped", "missed", None, 0.0),
        TickRow(SCHEDULE, 30.0, "due", "submitted", None, TICKED),
    ]


def _add_webhooks(history: History) -> None:
    """One was told of failures, at the second try, and signed what the callback of the job itself was told.

    A second one wanted to hear of great shares only. What was owed to a third, which is disabled by now, was given up.
    """
    history.webhooks = [
        WebhookRow(HOOK, "t", ["job.failed"], ["r"], 0.5, origin="https://a"),
        WebhookRow(BULK, "t", ["job.succeeded"], None, 9.0),
        WebhookRow(PICKY, "t", ["job.succeeded", "job.failed"], None, 0.5, [{"figure": "share", "above": 0.1}]),
    ]
    history.told = [
        ToldRow(TOLD, "t", "job.failed", GIVEN_BACK, "FAILED"),
        ToldRow(TOLD_BEFORE, "t", "job.expired", WON, "SUCCESS"),
        ToldRow(TOLD_TOO, "t", "job.succeeded", WON, "SUCCESS"),
    ]
    history.deliveries = [
        DeliveryRow(HOOK, TOLD, "delivered", "failed", acknowledged=True),
        DeliveryRow(GONE, TOLD_BEFORE, "dead", "expired", acknowledged=False),
        DeliveryRow(HOOK, TOLD, "delivered", "failed", acknowledged=True, url=OWN),
        DeliveryRow(PICKY, TOLD_TOO, "delivered", "succeeded", acknowledged=True),
    ]
    history.posted = [
        Posted(HOOK, TOLD, "failed", None),
        Posted(HOOK, TOLD, "failed", 204),
        Posted(HOOK, TOLD, "failed", 204, OWN),
        Posted(PICKY, TOLD_TOO, "succeeded", 204),
    ]


def _manifest(sha256: str) -> dict[str, object]:
    return {"manifest": {"files": [{"name": "r.csv", "sha256": sha256, "sizeBytes": 5, "rows": 1}]}}


def _event(history: History, number: int, **changes: object) -> None:
    history.events[number] = replace(history.events[number], **changes)  # type: ignore[arg-type]


def _job(history: History, **changes: object) -> None:
    history.jobs[0] = replace(history.jobs[0], **changes)  # type: ignore[arg-type]


def _ends_twice(history: History) -> None:
    history.events.append(Event(WON, 7, SUCCESS, JobStatus.FAILED, Verb.FAIL, 1, SECOND, "w2", 16.0))


def _a_second_job_under_the_key(history: History) -> None:
    history.jobs[1] = replace(history.jobs[1], key="k1")


def _fails(history: History, code: str) -> None:
    """The job that was given back is failed instead."""
    _event(history, 9, verb=Verb.FAIL, target=FAILED, attempt=1)
    del history.events[10]
    history.jobs[2] = replace(history.jobs[2], error_code=code, version=3, attempt=1)


def _delivery(history: History, number: int, **changes: object) -> None:
    history.deliveries[number] = replace(history.deliveries[number], **changes)  # type: ignore[arg-type]


def _heard(history: History, *posted: Posted) -> None:
    history.posted = list(posted)


def _starts_again(history: History, *, at: float) -> None:
    history.events.insert(10, Event(GIVEN_BACK, 4, PENDING, PROCESSING, Verb.START, 1, FIFTH, "w1", at))


Plant = Callable[[History], object]

PLANTED: list[tuple[str, str, Plant]] = [
    ("an accepted job is missing", "accepted_is_a_fact", lambda h: h.jobs.pop(0)),
    ("an accepted job never ends", "accepted_is_a_fact", lambda h: _job(h, status=PENDING)),
    ("a job is left in the middle", "jobs_are_final", lambda h: _job(h, status=PROCESSING)),
    ("a job that nobody asked for", "nothing_is_invented", lambda h: h.asked.pop()),
    ("a refused request made a job", "nothing_is_invented",
     lambda h: h.asked.__setitem__(4, replace(h.asked[4], status=400, job_id=None))),
    ("a row is left in the outbox", "doorbells_are_not_lost_on_the_way", lambda h: setattr(h, "unsent", 1)),
    ("a doorbell never reached the queue", "doorbells_are_not_lost_on_the_way", lambda h: (h.rang or []).pop(0)),
    ("a doorbell for no job", "doorbells_are_not_lost_on_the_way", lambda h: (h.rang or []).append(Rang("{}", 1))),
    ("the floor passed a row", "doorbells_are_not_lost_on_the_way", lambda h: setattr(h, "floor_violations", 1)),
    ("a job ends twice", "one_final_transition", _ends_twice),
    ("a job goes on after its end", "one_final_transition",
     lambda h: h.events.append(Event(WON, 7, SUCCESS, PROCESSING, Verb.START, 1, THIRD, "w3", 16.0))),
    ("a token is used twice", "tokens_are_used_once", lambda h: _event(h, 3, token=FIRST)),
    ("a start without a token", "tokens_are_used_once", lambda h: _event(h, 3, token=None)),
    ("the late worker ends it", "only_the_holder_ends_an_attempt", lambda h: _event(h, 4, token=FIRST)),
    ("a live lease is taken", "live_leases_are_left_alone", lambda h: _event(h, 2, at=5.0)),
    ("a renewed lease is taken", "live_leases_are_left_alone", lambda h: h.kept.append(Kept(WON, FIRST, 9.0))),
    ("a worker was told what did not happen", "workers_were_told_the_truth",
     lambda h: h.ended.append(Ended(WON, FIRST, SUCCESS))),
    ("a lost lease was renewed", "workers_were_told_the_truth", lambda h: h.kept.append(Kept(WON, FIRST, 14.0))),
    ("SUCCESS without a file", "success_is_a_file", lambda h: h.artifacts.clear()),
    ("a format is missing", "success_is_a_file", lambda h: _job(h, formats=["csv", "xlsx"])),
    ("a file without SUCCESS", "success_is_a_file", lambda h: _job(h, status=JobStatus.FAILED)),
    ("the file is gone", "files_are_the_winners", lambda h: h.files.pop(1)),
    ("the file is torn", "files_are_the_winners", lambda h: h.files.__setitem__(1, replace(h.files[1], size_bytes=4))),
    ("the loser's file is shown", "files_are_the_winners",
     lambda h: h.artifacts.__setitem__(0, replace(h.artifacts[0], token=FIRST))),
    ("the manifest speaks of another file", "manifests_agree",
     lambda h: h.files.__setitem__(2, replace(h.files[2], manifest=_manifest("d" * 64)))),
    ("a file under no token", "no_file_without_an_attempt",
     lambda h: h.files.append(StoredFile("t", WON, THIRD, "r.csv", 3, "c" * 64))),
    ("a file in another tenant's folder", "no_file_without_an_attempt",
     lambda h: h.files.append(StoredFile("u", WON, SECOND, "r.csv", 3, "c" * 64))),
    ("a download of other bytes", "downloads_are_the_files",
     lambda h: h.downloaded.append(Downloaded(WON, "r.csv", ""))),
    ("more attempts than allowed", "budgets_are_kept", lambda h: _job(h, max_attempts=0)),
    ("an attempt is charged that was lost", "budgets_are_kept", lambda h: _job(h, attempt=2)),
    ("a crash is not counted", "budgets_are_kept", lambda h: _job(h, crashes=0)),
    ("one key, two answers", "one_key_is_one_job",
     lambda h: h.asked.__setitem__(2, replace(h.asked[2], job_id=CANCELLED))),
    ("one key, two requests", "one_key_is_one_job",
     lambda h: h.asked.__setitem__(3, replace(h.asked[3], status=202, job_id=WON))),
    ("one key, two jobs", "one_key_is_one_job", _a_second_job_under_the_key),
    ("an edge that does not exist", "legal_edges", lambda h: _event(h, 4, verb="wish")),
    ("a gap in the history", "histories_are_chains", lambda h: h.events.pop(2)),
    ("the row is not where its history ends", "histories_are_chains", lambda h: _job(h, version=5)),
    ("a look goes back", "versions_never_go_back",
     lambda h: h.shown.append(Shown(WON, 4, PENDING, '{"v": 4}', 21.0, 21.1))),
    ("one version, two bodies", "a_version_shows_one_thing",
     lambda h: h.shown.append(Shown(WON, 6, SUCCESS, '{"v": 7}', 21.0, 21.1))),
    ("a state that never was", "what_is_shown_was_so",
     lambda h: h.shown.append(Shown(WON, 6, JobStatus.FAILED, '{"v": 6}', 21.0, 21.1))),
    ("reported cancelled, and is not", "cancellations_are_kept", lambda h: h.cancelled.append(Cancelled(WON, 200, 3))),
    ("reported too late, and is cancelled", "cancellations_are_kept",
     lambda h: h.cancelled.append(Cancelled(CANCELLED, 409, 3))),
    ("cancelled unasked", "cancellations_are_kept", lambda h: h.cancelled.pop(0)),
    ("a job stands still too long", "recovery_is_bounded", lambda h: setattr(h, "recovery_s", 8)),
    ("a job stands still for ever", "recovery_is_bounded", lambda h: h.events.__delitem__(slice(2, 5))),
    ("a job is failed for its worker's fault", "own_faults_are_not_charged", lambda h: _fails(h, "source_missing")),
    ("what is given back keeps its number", "own_faults_are_not_charged", lambda h: _event(h, 9, attempt=1)),
    ("what is given back has no cause", "own_faults_are_told",
     lambda h: h.shown.__setitem__(2, replace(h.shown[2], body='{"error": null}'))),
    ("what is given back has another cause", "own_faults_are_told",
     lambda h: h.met.__setitem__(0, replace(h.met[0], code="scratch_full"))),
    ("a full disk is the job's end", "own_faults_end_no_job", lambda h: _fails(h, "scratch_full")),
    ("a deadline comes early", "own_faults_end_no_job",
     lambda h: h.jobs.__setitem__(2, replace(h.jobs[2], deadline_at=99.0))),
    ("the same worker starts it again at once", "given_back_is_left_to_others", lambda h: _starts_again(h, at=4.0)),
    ("the same worker starts it again too soon", "given_back_is_left_to_others", lambda h: _starts_again(h, at=60.0)),
    ("another job is taken from a worker that lives", "locked_rows_delay_only_their_job", lambda h: h.died.clear()),
    ("an older catalog is the job's end", "other_catalogs_end_no_job",
     lambda h: _fails(h, "parameters_no_longer_valid")),
    ("a paused job starts", "nothing_paused_starts", lambda h: _starts_again(h, at=10.0)),
    ("a doorbell is held at rest", "held_doorbells_are_not_lost", lambda h: setattr(h, "held", 1)),
    ("a job waits on after its pause", "held_doorbells_are_not_lost", lambda h: h.events.pop(10)),
    ("a deadline ends what is paused", "deadlines_stand_still", lambda h: _event(h, 10, at=20.0)),
    ("an action meets a job twice", "bulk_actions_meet_a_job_once",
     lambda h: h.bulk_results.append(BulkResult(BULK, WON, "refused"))),
    ("an action makes two jobs of one", "bulk_actions_meet_a_job_once",
     lambda h: h.jobs.append(replace(h.jobs[3], id=THIRD))),
    ("an action counts too many", "bulk_actions_meet_a_job_once",
     lambda h: h.bulks.__setitem__(0, replace(h.bulks[0], outcomes={"retried": 2}))),
    ("an action meets what came later", "bulk_actions_keep_their_horizon",
     lambda h: h.bulks.__setitem__(0, replace(h.bulks[0], created_at=0.5))),
    ("an action meets another tenant's job", "bulk_actions_keep_their_horizon",
     lambda h: h.bulks.__setitem__(0, replace(h.bulks[0], tenant="u"))),
    ("an action never ends", "bulk_actions_do_what_they_say",
     lambda h: h.bulks.__setitem__(0, replace(h.bulks[0], state="RUNNING"))),
    ("an action says cancelled, and it is not", "bulk_actions_do_what_they_say",
     lambda h: h.bulk_results.__setitem__(1, replace(h.bulk_results[1], outcome="cancelled"))),
    ("a tick has no job", "a_tick_is_one_job", lambda h: h.jobs.pop(4)),
    ("a schedule has a job of no tick", "a_tick_is_one_job",
     lambda h: h.jobs.append(replace(h.jobs[4], id=THIRD))),
    ("a tick comes twice", "a_tick_is_one_job", lambda h: h.ticks.append(h.ticks[1])),
    ("a tick has no line", "every_tick_has_its_fate", lambda h: h.ticks.pop(1)),
    ("a tick is skipped without a reason", "every_tick_has_its_fate",
     lambda h: h.ticks.__setitem__(0, replace(h.ticks[0], reason=None))),
    ("a tick waits at rest", "every_tick_has_its_fate",
     lambda h: h.ticks.__setitem__(1, replace(h.ticks[1], fate="waiting"))),
    ("an end is told by no event", "ends_are_told", lambda h: h.told.pop(0)),
    ("an end is told by two events", "ends_are_told", lambda h: h.told.append(replace(h.told[0], id=THIRD))),
    ("an event is not spread", "ends_are_told", lambda h: h.deliveries.pop(0)),
    ("an event is spread twice", "ends_are_told", lambda h: h.deliveries.append(h.deliveries[0])),
    ("what its conditions let through is not owed to a webhook", "ends_are_told", lambda h: h.deliveries.pop(3)),
    ("a webhook is told what its conditions keep from it", "ends_are_told",
     lambda h: h.deliveries.append(replace(h.deliveries[0], webhook_id=PICKY))),
    ("a webhook is told what it does not ask for", "ends_are_told",
     lambda h: h.deliveries.append(replace(h.deliveries[3], webhook_id=HOOK))),
    ("a callback is not owed", "ends_are_told", lambda h: h.deliveries.pop(2)),
    ("a callback is owed twice", "ends_are_told", lambda h: h.deliveries.append(h.deliveries[2])),
    ("a callback is told what its conditions keep from it", "ends_are_told",
     lambda h: h.jobs.__setitem__(2, replace(h.jobs[2], callback_when=["rows"]))),
    ("a callback stands in for the webhook's own", "ends_are_told", lambda h: _delivery(h, 0, url=OWN + "?")),
    ("an end is told that was rolled back", "only_what_happened_is_told",
     lambda h: h.told.append(ToldRow(THIRD, "t", "job.succeeded", GIVEN_BACK, "SUCCESS"))),
    ("another tenant's end is told", "only_what_happened_is_told",
     lambda h: h.told.__setitem__(0, replace(h.told[0], tenant="u"))),
    ("what was rolled back is sent", "only_what_happened_is_told",
     lambda h: _heard(h, *(h.posted or ()), Posted(HOOK, THIRD, "failed", 204))),
    ("one id, two bodies", "only_what_happened_is_told",
     lambda h: _heard(h, *(h.posted or ()), Posted(HOOK, TOLD, "succeeded", 204))),
    ("what is owed waits at rest", "what_is_owed_is_sent", lambda h: _delivery(h, 1, state="waiting")),
    ("what is owed is given up", "what_is_owed_is_sent", lambda h: _delivery(h, 0, state="dead")),
    ("what is owed is never sent", "what_is_owed_is_sent", _heard),
    ("a callback is never sent, and the webhook's own is", "what_is_owed_is_sent",
     lambda h: _heard(h, *(one for one in h.posted or () if one.url is None))),
    ("a callback is signed by another webhook", "only_what_happened_is_told",
     lambda h: _heard(h, *(h.posted or ()), Posted(GONE, TOLD, "failed", 204, OWN))),
    ("a callback nobody took is written down as taken", "acknowledged_is_recorded",
     lambda h: _heard(h, *(replace(one, answered=500) if one.url else one for one in h.posted or ()))),
    ("what was taken is not written down", "acknowledged_is_recorded", lambda h: _delivery(h, 0, state="dead")),
    ("what nobody took is written down as taken", "acknowledged_is_recorded",
     lambda h: _heard(h, Posted(HOOK, TOLD, "failed", 500))),
    ("a delivery without the attempt that made it", "acknowledged_is_recorded",
     lambda h: _delivery(h, 0, acknowledged=False)),
]  # fmt: skip


def test_a_clean_history_passes_and_every_rule_looked_at_something() -> None:
    verdict = check(a_clean_history())

    assert verdict.broken == {}
    assert [rule for rule, looked in verdict.looked.items() if not looked] == []
    assert verdict.worst_recovery_s == 9.0


@pytest.mark.parametrize(("rule", "plant"), [(rule, plant) for _, rule, plant in PLANTED], ids=[p[0] for p in PLANTED])
def test_a_planted_violation_is_found(rule: str, plant: Plant) -> None:
    history = a_clean_history()
    plant(history)

    assert rule in check(history).broken


def test_every_rule_has_its_plant() -> None:
    assert {rule for _, rule, _ in PLANTED} == set(RULES)


def test_a_request_without_an_answer_explains_one_job_and_no_more() -> None:
    history = a_clean_history()
    history.asked[4] = replace(history.asked[4], status=None, job_id=None)
    assert check(history).broken == {}
    history.jobs.append(replace(history.jobs[1], id=THIRD))

    assert "nothing_is_invented" in check(history).broken

"""The protocol, explored: every run keeps every promise, and each guard is needed."""

from collections.abc import Mapping

import pytest

from shared.jobs.states import LEGAL_EDGES
from tests.protocol.model.spin import explore

Bounds = Mapping[str, int]

_EDGES = {(str(e.source or "NONE"), str(e.target), str(e.verb)) for e in LEGAL_EDGES}


@pytest.mark.parametrize(
    "bounds",
    [
        {"FAULTS": 3, "WISHES": 2},
        {"FAULTS": 1, "FAIL_OVERS": 1, "WISHES": 1},
        {"FAULTS": 2, "WISHES": 1, "WORKERS": 3},
        {"FAULTS": 1, "WISHES": 2, "PAUSES": 1},
    ],
    ids=["faults", "a fail-over", "three workers", "a pause"],
)
def test_every_run_keeps_every_promise(bounds: Bounds) -> None:
    found = explore(bounds)

    print(f"{found.states} states")
    assert found.broken is None, found.output
    assert found.edges == _EDGES, "every legal edge is taken in some run, and no other"
    assert found.states > 200_000, "fewer states than before: something can no longer happen"


def test_no_run_goes_on_for_ever() -> None:
    """With the assertion at rest this is: whatever happens, the job becomes final."""
    assert explore({"FAULTS": 2, "WISHES": 1}, endless=True).broken is None
    assert explore({"FAULTS": 1, "WISHES": 1, "PAUSES": 1}, endless=True).broken is None


_HOLDER = "only_the_holder_ends_an_attempt"
_FILES = "success_has_its_own_whole_files"
_FINAL = "at_rest_an_accepted_job_is_final"
_ERASED = "at_rest_what_was_deleted_is_gone"
_EDGE = "every_edge_is_legal"
_OLD = "a_retry_leaves_the_old_job_alone"
_PAUSED = "nothing_that_is_paused_starts"
_STILL = "deadlines_stand_still_while_paused"

KNOWN_BUGS: Mapping[str, tuple[str, Bounds, str]] = {
    "a statement without a compare-and-set": ("NO_COMPARE_AND_SET", {}, _EDGE),
    "a guard that asks for the state only": ("STATE_ONLY", {}, _HOLDER),
    "the attempt's number as the fence: taken back, it comes again": ("ATTEMPT_NUMBER", {"WISHES": 0}, _HOLDER),
    "a growing number as the fence: a retry by the client begins anew": ("CLAIM_NUMBER", {}, _HOLDER),
    "a growing number as the fence: a fail-over rewinds it":
        ("CLAIM_NUMBER", {"FAULTS": 1, "WISHES": 0, "FAIL_OVERS": 1}, _HOLDER),
    "one artifact key for all attempts": ("SHARED_ARTIFACT_KEY", {"WISHES": 0}, _FILES),
    "a worker that deletes what it thinks it lost": ("WORKER_DELETES_ARTIFACTS", {}, _FILES),
    "SUCCESS before the upload": ("SUCCESS_BEFORE_UPLOAD", {}, _FILES),
    "files cleaned up as soon as no row names them":
        ("EAGER_CLEAN_UP", {"FAULTS": 1, "WISHES": 0, "FAIL_OVERS": 1}, _FILES),
    "a sweeper that selects, then updates": ("SELECT_THEN_UPDATE", {}, _EDGE),
    "no sweeper": ("NO_SWEEPER", {}, _FINAL),
    "a deletion that nobody carries out": ("NO_ERASURE", {}, _ERASED),
    "files removed while a worker may still publish some":
        ("ERASES_BEFORE_THE_END", {"FAULTS": 0, "WISHES": 2}, _ERASED),
    "no second doorbell": ("NO_SECOND_DOORBELL", {}, _FINAL),
    "a retry that puts the old job back": ("RETRIED_IN_PLACE", {"FAULTS": 0}, _EDGE),
    "a deletion that takes the files of the job which this one repeats":
        ("ERASES_WHAT_IT_REPEATS", {"FAULTS": 0, "WISHES": 2}, _OLD),
    "a start that does not ask for pauses": ("START_KNOWS_NO_PAUSE", {"FAULTS": 0, "PAUSES": 1}, _PAUSED),
    "a sweeper that does not ask for pauses": ("SWEEPER_KNOWS_NO_PAUSE", {"FAULTS": 0, "PAUSES": 1}, _STILL),
    "a resumption that gives no time back": ("RESUMED_WITHOUT_ITS_TIME", {"FAULTS": 0, "PAUSES": 1}, _STILL),
    "held doorbells that nobody lets out": ("NOTHING_HELD_LEAVES", {"FAULTS": 0, "PAUSES": 1}, _FINAL),
}  # fmt: skip


@pytest.mark.parametrize("bug", KNOWN_BUGS)
def test_a_known_bug_is_found(bug: str) -> None:
    guard, bounds, promise = KNOWN_BUGS[bug]

    assert explore({"FAULTS": 2, "WISHES": 1, **bounds, guard: 1}).broken == promise


@pytest.mark.parametrize(
    ("guard", "bounds"),
    [("CLAIM_NUMBER", {"FAULTS": 2, "WISHES": 0}), ("EAGER_CLEAN_UP", {"FAULTS": 2, "WISHES": 1})],
)
def test_what_is_only_unsafe_after_a_rewind_is_safe_without_one(guard: str, bounds: Bounds) -> None:
    """So it is the fail-over, and the client's retry, that ask for a random token and for patience with files."""
    assert explore({**bounds, guard: 1}).broken is None


@pytest.mark.long
@pytest.mark.timeout(3600)
@pytest.mark.parametrize(
    "bounds",
    [
        {"FAULTS": 6, "WISHES": 3},
        {"FAULTS": 3, "FAIL_OVERS": 1, "WISHES": 1},
        {"FAULTS": 1, "FAIL_OVERS": 1, "WISHES": 3},
        {"FAULTS": 4, "WISHES": 1, "WORKERS": 3},
    ],
    ids=["faults", "a fail-over", "wishes", "three workers"],
)
def test_every_longer_run_keeps_every_promise(bounds: Bounds) -> None:
    found = explore(bounds, memory_mb=12_000)

    print(f"{found.states} states")
    assert found.broken is None, found.output


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_no_longer_run_goes_on_for_ever() -> None:
    assert explore({"FAULTS": 1, "FAIL_OVERS": 1, "WISHES": 1}, endless=True, memory_mb=12_000).broken is None

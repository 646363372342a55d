"""What the worker reports about its machine, and what it does where the kernel offers no isolation."""

import errno
import functools
import logging
import os
import sys
from collections.abc import Callable
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import spec_from_file_location
from pathlib import Path

import pytest

from services.worker import __main__ as worker
from services.worker.settings import WorkerSettings
from shared.reports.process import isolation, kernel, landlock, seccomp
from shared.reports.process.confinement import importable
from shared.reports.process.isolation import Isolation, NotIsolated

WHOLE = ["environment", "privileges", "process-tree", "files", "ports", "signals", "sockets", "system-calls"]


def refusing(number: int) -> Callable[..., int]:
    """A kernel, or the profile of a container, that answers so."""

    def call(*_: object) -> int:
        raise OSError(number, os.strerror(number))

    return call


def settings(isolation_: str) -> WorkerSettings:
    return WorkerSettings.from_environment(
        {"DATABASE_URL": "postgresql://h/d", "SQS_QUEUE_URL": "http://q/1/x", "REPORT_ISOLATION": isolation_}
    )


@pytest.fixture
def unhidden(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernel, "hide", lambda: None)  # this process has more tests to run


@pytest.mark.parametrize("number", [errno.ENOSYS, errno.EPERM, errno.EOPNOTSUPP])
@pytest.mark.usefixtures("unhidden")
def test_a_kernel_that_does_not_help_is_told_and_refused_where_it_is_required(
    number: int, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(kernel, "call", refusing(number))
    with caplog.at_level(logging.INFO, "services.worker"):
        worker._isolate(settings("best_effort"))

    [line] = [record for record in caplog.records if record.message == "worker.isolation"]
    assert line.levelname == "WARNING"
    assert line.in_force == ["environment", "privileges", "process-tree"]  # type: ignore[attr-defined]
    assert set(line.missing) == {"files", "ports", "signals", "sockets", "system-calls"}  # type: ignore[attr-defined]
    with pytest.raises(NotIsolated) as refused:
        worker._isolate(settings("required"))
    for part in ("files needs Linux 5.19", "signals needs Linux 6.12", "sockets needs", "best_effort"):
        assert part in str(refused.value)


@pytest.mark.usefixtures("unhidden")
def test_a_machine_that_has_everything_is_told_in_one_line(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(isolation, "found", lambda: Isolation(7, seccomp=True))
    with caplog.at_level(logging.INFO, "services.worker"):
        worker._isolate(settings("required"))

    [line] = [record for record in caplog.records if record.message == "worker.isolation"]
    assert (line.levelname, line.in_force, line.missing) == ("INFO", WHOLE, {})  # type: ignore[attr-defined]


@pytest.mark.skipif(sys.platform != "linux", reason="asks the kernel of Linux")
@pytest.mark.parametrize("hidden", [True, False])
def test_a_hidden_process_is_closed_to_others_of_its_user(hidden: bool) -> None:
    """Its neighbour has the same user and the same lack of capabilities, as in an ordinary container."""
    told, tell = os.pipe()
    stay, go = os.pipe()
    if (worker := os.fork()) == 0:
        os.close(go)
        kernel.give_up_privileges()
        if hidden:
            kernel.hide()
        os.write(tell, b".")
        os.read(stay, 1)
        os._exit(0)
    os.read(told, 1)
    if (neighbour := os.fork()) == 0:
        kernel.give_up_privileges()
        try:
            Path(f"/proc/{worker}/environ").read_bytes()
        except PermissionError:
            os._exit(13)
        os._exit(0)
    code = os.waitstatus_to_exitcode(os.waitpid(neighbour, 0)[1])
    for descriptor in (go, stay, told, tell):
        os.close(descriptor)
    os.waitpid(worker, 0)
    assert code == (13 if hidden else 0)


@pytest.mark.parametrize(
    ("version", "missing"),
    [(0, ["files", "ports", "signals"]), (1, ["files", "ports", "signals"]), (2, ["ports", "signals"]),
     (4, ["signals"]), (6, [])],
)  # fmt: skip
def test_an_older_kernel_lacks_what_it_lacks(version: int, missing: list[str]) -> None:
    assert list(Isolation(version, seccomp=True).missing) == missing


def test_a_processor_that_the_filter_does_not_know_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernel, "MACHINE", "riscv64")
    assert not seccomp.available()


def _answer(
    numbers: seccomp._Machine, sockets: seccomp.Sockets, call: int, first: int = 0, second: int = 0, *, audit: int = -1
) -> int:
    """Run the filter by hand, step by step, and return its answer to a call with these two arguments."""
    loaded, at, steps = 0, 0, seccomp._program(numbers, sockets)
    fields = {0: call, 4: numbers.audit if audit == -1 else audit, 16: first, 24: second}
    while True:
        code, yes, no, operand = steps[at]
        at += 1
        match code:
            case seccomp._LOAD:
                loaded = fields[operand]
            case seccomp._AND:
                loaded &= operand
            case seccomp._RETURN:
                return operand
            case _:
                holds = {
                    seccomp._EQUAL: loaded == operand,
                    seccomp._AT_LEAST: loaded >= operand,
                    seccomp._HAS: loaded & operand != 0,
                }[code]
                at += yes if holds else no


@pytest.mark.skipif(sys.platform != "linux", reason="asks the kernel of Linux")
@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_a_filter_answers_as_it_reads(machine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """For both processors: this machine has one of them."""
    monkeypatch.setattr(kernel, "MACHINE", machine)
    numbers = seccomp._MACHINES[machine]

    answer = functools.partial(_answer, numbers)
    allow, none, tcp = seccomp._ALLOW, seccomp.Sockets.NONE, seccomp.Sockets.TCP
    assert len(seccomp._program(numbers, seccomp.Sockets.ANY)) < 4096
    assert answer(none, 0) == allow
    assert answer(none, 0, audit=1) == seccomp._KILL
    assert answer(none, seccomp._X32 + 1) != allow
    assert all(answer(none, number) == 0x50000 | errno.EPERM for number in numbers.refused)
    assert answer(none, 435) == 0x50000 | errno.ENOSYS
    assert (answer(none, numbers.clone, 0x11), answer(none, numbers.clone, 0x10000011)) == (
        allow,
        0x50000 | errno.EPERM,
    )
    assert [answer(none, numbers.prctl, option) == allow for option in (1, 15, 36)] == [False, True, False]
    stream, datagram, raw, nonblocking = 1, 2, 3, 0o4000
    asked = [(2, stream), (10, stream | nonblocking), (2, datagram), (10, raw), (1, stream), (16, raw), (17, raw)]
    assert [answer(none, numbers.socket, *one) == allow for one in asked] == [False] * 7
    assert [answer(tcp, numbers.socket, *one) == allow for one in asked] == [True, True, *[False] * 5]
    both = tcp | seccomp.Sockets.UNIX
    assert [answer(both, numbers.socket, *one) == allow for one in asked] == [
        True,
        True,
        False,
        False,
        True,
        False,
        False,
    ]
    anything = [answer(seccomp.Sockets.ANY, numbers.socket, *one) == allow for one in asked]
    assert anything == [True] * 6 + [False]


def test_landlock_is_asked_for_what_the_kernel_knows(monkeypatch: pytest.MonkeyPatch) -> None:
    """A right that the kernel does not know is an error of the call."""
    asked: list[tuple[int, ...]] = []

    def call(number: int, *arguments: object) -> int:
        if number == landlock._CREATE_RULESET:
            asked.append(tuple(arguments[0]._obj))  # type: ignore[attr-defined]
            return os.open("/dev/null", os.O_RDONLY)
        return 0

    monkeypatch.setattr(kernel, "call", call)
    for version in (2, 3, 4, 5, 6, 7):
        landlock.restrict(version, readable=[], writable=[], ports=[5432])
    landlock.restrict(7, readable=[], writable=[], ports=None)
    bits = [(files.bit_length(), net, scopes) for files, net, scopes in asked]
    assert bits == [(14, 0, 0), (15, 0, 0), (15, 3, 0), (16, 3, 0), (16, 3, 3), (16, 3, 3), (16, 0, 3)]


class _Elsewhere(MetaPathFinder):
    """Finds modules in a folder that is not on `sys.path`, as what `pip install --editable` leaves behind does."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def find_spec(self, fullname: str, path: object = None, target: object = None) -> ModuleSpec | None:
        del path, target
        file = self._folder / f"{fullname}.py"
        return spec_from_file_location(fullname, file) if file.is_file() else None


def test_a_package_that_was_installed_as_editable_is_readable_and_what_lies_beside_it_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`pip install --editable ./loan-plan` is what the pages tell an author to do: the report had a PermissionError."""
    site, code = tmp_path / "site", tmp_path / "code"
    about = site / "loan_plan-1.dist-info"
    about.mkdir(parents=True)
    code.mkdir()
    for name in ("loan_plan", "rates", "secret"):
        (code / f"{name}.py").write_text("raise AssertionError('this runs nothing')")
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: loan-plan\nVersion: 1\n")
    (about / "top_level.txt").write_text("loan_plan\nrates\n")
    (about / "entry_points.txt").write_text("[todoke.reports]\nloan-plan = loan_plan:LoanPlan\ngone = gone:Gone\n")
    monkeypatch.syspath_prepend(str(site))
    monkeypatch.setattr(sys, "meta_path", [*sys.meta_path, _Elsewhere(code)])

    found = importable(tuple(sys.path))
    assert {str(site), str(code / "loan_plan.py"), str(code / "rates.py")} <= set(found)
    assert [one for one in found if one == str(code) or "secret" in one] == []

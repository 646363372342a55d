"""Programs from Debian are found, or installed once, or refused with the remedy."""

import os
from pathlib import Path

import pytest

from tests.support import debian


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine whose only programs are the scripts that a test writes into this folder."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    # A real one may be installed in /usr/sbin, which is looked at although a user's PATH may lack it.
    monkeypatch.setitem(debian._SOURCES, "todoke-probe", debian._Source(("probe-package",)))
    return folder


def _script(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(f"#!/bin/sh\nPATH=/usr/bin:/bin:/usr/sbin\n{text}\n")
    path.chmod(0o755)
    return path


def test_what_is_on_path_is_taken_and_nothing_is_fetched(machine: Path, tmp_path: Path) -> None:
    probe = _script(machine, "todoke-probe", "")

    assert debian.tool("todoke-probe", cache=tmp_path / "cache") == probe


def test_root_installs_after_fetching_the_lists_once(
    machine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "getuid", lambda: 0)
    _script(machine, "apt-get", f"""
echo "$@" >> {tmp_path}/asked
case "$*" in *update*) touch {tmp_path}/lists;; *install*)
  test -e {tmp_path}/lists || exit 100
  cp /bin/true {machine}/todoke-probe;; esac""")  # fmt: skip

    assert debian.tool("todoke-probe", cache=tmp_path / "cache") == machine / "todoke-probe"

    asked = [line.split("Acquire::Retries=3 ")[1] for line in (tmp_path / "asked").read_text().splitlines()]
    install = "install -y --no-install-recommends probe-package"
    assert asked == [install, "update", install]


def test_without_rights_the_package_is_unpacked_beside_the_repository(
    machine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "getuid", lambda: 1000)
    _script(machine, "apt-get", 'case "$*" in *simulate*) echo "Inst needed (1)";; *) touch probe-package_1.deb;; esac')
    _script(machine, "dpkg-deb", 'mkdir -p "$3/usr/bin"; echo "echo hello" > "$3/usr/bin/todoke-probe"')

    found = debian.tool("todoke-probe", cache=tmp_path / "cache")

    assert found == tmp_path / "cache/bin/todoke-probe"
    assert found.stat().st_mode & 0o111


def test_what_cannot_be_fetched_is_refused_with_the_remedy(machine: Path, tmp_path: Path) -> None:
    _script(machine, "apt-get", "echo 'E: no route to the mirror' >&2; exit 100")

    with pytest.raises(debian.ToolMissing, match=r"(?s)apt-get install probe-package.*no route to the mirror"):
        debian.tool("todoke-probe", cache=tmp_path / "cache")


def test_a_system_without_apt_is_told_so(machine: Path, tmp_path: Path) -> None:
    with pytest.raises(debian.ToolMissing, match="not Debian"):
        debian.tool("todoke-probe", cache=tmp_path / "cache")

"""`todoke verify`: is this file what the job made, and who signed that?"""

import json
import shutil
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from shared.catalog.model import Format, ReportType
from shared.reports import manifest
from shared.reports.interface import RenderRequest
from shared.reports.render import render_files
from tests.support.installed import run_with
from todoke.cli.app import run


@pytest.fixture
def made(tmp_path: Path, database_url: str) -> Path:
    """The folder of a report's files and its manifest."""
    report = ReportType(
        "numbers", "Numbers", "", "1", "default", "SELECT 届 FROM generate_series(1, 9) AS 届", (Format.CSV,)
    )
    folder = tmp_path / "made"
    folder.mkdir()
    render_files(RenderRequest(report, {}, (Format.CSV,), database_url, folder, job_id="j1"), lambda _: None)
    return folder


def public(folder: Path, key: Ed25519PrivateKey) -> str:
    file = folder / "key.pem"
    file.write_bytes(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    return str(file)


def test_a_file_is_verified_against_its_signed_manifest(made: Path, capsys: pytest.CaptureFixture[str]) -> None:
    key = Ed25519PrivateKey.generate()
    manifest.sign(made / manifest.NAME, key)
    renamed = Path(shutil.copy(made / "numbers.csv", made / "download (1).csv"))

    assert run(["verify", str(renamed), "--key", public(made, key)]) == 0
    shown = capsys.readouterr().out
    assert "numbers.csv" in shown
    assert "9 rows" in shown
    assert "made by job j1 from numbers 1" in shown
    assert f"signed by key {manifest.key_id(key.public_key())}" in shown
    assert run(["verify", str(renamed)]) == 0
    assert "pass --key to check it" in capsys.readouterr().out


def test_a_changed_file_or_manifest_or_key_is_refused(made: Path, capsys: pytest.CaptureFixture[str]) -> None:
    key, other = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
    file, about, opens = made / "numbers.csv", made / manifest.NAME, public(made, key)

    def refused(*arguments: str) -> str:
        assert run(["verify", str(file), *arguments]) == 1
        return capsys.readouterr().err

    assert "is not signed" in refused("--key", opens)
    manifest.sign(about, other)
    assert "does not belong to this key" in refused("--key", opens)
    manifest.sign(about, key)
    document = json.loads(about.read_text())
    document["manifest"]["source"]["rows"] = 10
    about.write_text(json.dumps(document))
    assert "was changed" in refused("--key", opens)
    file.write_text("tampered")
    told = refused()
    assert "is not a file of this job, or was changed" in told
    assert "for numbers.csv" in told
    for broken in ("{", "[]", "[" * 100_000, '{"manifest": {"files": 1}}', '{"manifest": {"files": [{}]}}'):
        about.write_text(broken)
        assert "cannot be read as a manifest" in refused() or broken.endswith("[{}]}}")
    assert "not an Ed25519 public key" in refused("--key", str(about))
    assert "cannot be read (No such file" in refused("--manifest", str(made / "none.json"))
    assert "No such file" in refused("--key", str(made / "none.pem"))


def test_without_the_extra_a_signature_asks_for_it_and_the_rest_works(made: Path) -> None:
    code = "import sys; sys.path.insert(0, 'client'); from todoke.manifest import verify; verify(*{!r})"
    file = str(made / "numbers.csv")

    assert run_with({"todoke"}, code.format([file])).returncode == 0
    signed = run_with({"todoke"}, code.format([file, None, str(made / "key.pem")]))
    assert "pip install 'todoke[verify]'" in signed.stderr

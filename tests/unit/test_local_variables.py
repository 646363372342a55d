"""The file that `make run` writes for other shells."""

import subprocess
from pathlib import Path

import pytest

from deploy.local.variables import for_a_shell

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("shell", ["sh", "bash -O expand_aliases"])
def test_a_shell_that_has_read_it_knows_both_commands_by_the_names_of_the_pages(shell: str, tmp_path: Path) -> None:
    file = tmp_path / "env"
    file.write_text(for_a_shell({"CATALOG_PATH": "/a folder/it's"}, "http://127.0.0.1:8001"))
    script = tmp_path / "script"
    script.write_text(f'. {file}\necho "$CATALOG_PATH $TODOKE_URL"\ntodoke-server --version\ntodoke --help\n')

    ran = subprocess.run([*shell.split(), str(script)], cwd=ROOT, capture_output=True, text=True, check=False)

    assert ran.returncode == 0, ran.stderr
    where, server, *client = ran.stdout.strip().splitlines()
    assert where == "/a folder/it's http://127.0.0.1:8001"
    assert server.startswith("todoke-server ")
    assert client[0].startswith("Usage: todoke ")

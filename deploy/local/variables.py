"""A file that `make run` writes for other shells: the addresses, and aliases for the two commands."""

import shlex
import sys
from collections.abc import Mapping
from pathlib import Path


def for_a_shell(variables: Mapping[str, str], url: str) -> str:
    """Return a script that sets the variables, and defines the commands under their documented names.

    They are aliases, so PATH stays unchanged. `todoke-server` works in Todoke's folder only.
    """
    python, client = shlex.quote(sys.executable), shlex.quote(str(Path(sys.executable).with_name("todoke")))
    exports = [f"export {name}={shlex.quote(value)}" for name, value in {**variables, "TODOKE_URL": url}.items()]
    names = [f"alias todoke={shlex.quote(client)}", f"alias todoke-server={shlex.quote(f'{python} -m services.cli')}"]
    return "\n".join(["# Written by `make run`.", *exports, *names, ""])

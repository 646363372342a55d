"""`python -m deploy.tools.command_line_page > docs/reference/todoke.md`: generates the page of the command line."""

import sys
from collections.abc import Iterator
from typing import Any

from typer.main import get_command

from todoke.cli.app import application
from todoke.cli.common import COMMON
from todoke.cli.help_topics import TOPICS

_HEAD = """# `todoke`

The command line, for those who ask for reports; [`todoke-server`](command.md) is for those who run them. It comes with
the [client](client.md): `pip install 'todoke[cli]'`; `todoke verify --key` wants `todoke[verify]` too. In a checkout it
is `.venv/bin/todoke`.

```bash
todoke login --at https://reports.example.com
todoke submit flights-export -p origin=JFK -f xlsx --wait --into reports
```

This page is made from the code (`python -m deploy.tools.command_line_page`), and a test keeps it so.
`todoke --install-completion` teaches your shell commands, report types, parameters and recent ids; where none is found,
as in a script, name it: `todoke --install-completion zsh` (bash, zsh, fish, powershell, pwsh).
"""


def page() -> str:
    """Return the page as Markdown."""
    whole: Any = get_command(application())
    parts = [_HEAD, _index(whole), *_commands(whole, "todoke"), _common(whole), *_topics()]
    return "\n".join(parts).rstrip() + "\n"


def _index(whole: Any) -> str:
    rows = "".join(f"| [`{name}`](#todoke-{name}) | {_first(one)} |\n" for name, one in whole.commands.items())
    return f"| command | what it does |\n|---|---|\n{rows}"


def _commands(group: Any, path: str) -> Iterator[str]:
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield f"## {path} {name}\n\n{_first(command)}\n"
            yield from _commands(command, f"{path} {name}")
            continue
        depth = "##" if path == "todoke" else "###"
        yield f"{depth} {path} {name}\n\n{_described(command)}"


def _described(command: Any) -> str:
    first, *more = (part for part in (command.help or "").split("\n\n"))
    examples = next((part for part in more if part.startswith("\b")), "")
    rest = [part for part in more if not part.startswith("\b")]
    text = "\n\n".join([" ".join(first.split()), *(" ".join(part.split()) for part in rest)]) + "\n"
    if examples:
        lines = [line.strip() for line in examples.splitlines()[2:]]
        text += "\n```bash\n" + "\n".join(lines) + "\n```\n"
    own = [one for one in command.params if one.name not in {*COMMON, "help"}]
    if own:
        text += "\n| | meaning |\n|---|---|\n" + "".join(map(_row, own))
    return text


def _row(parameter: Any) -> str:
    names = ", ".join(parameter.opts)
    metavar = parameter.metavar or ""
    if parameter.param_type_name == "argument":
        shown = metavar or names.upper()
    else:
        shown = f"{names}{'' if metavar.startswith('[') or not metavar else ' '}{metavar}"
        shown += f", {', '.join(parameter.secondary_opts)}" if parameter.secondary_opts else ""
    default = parameter.default
    plain = (
        f" ({default})" if isinstance(default, str | int) and not isinstance(default, bool) and default != "" else ""
    )
    return f"| `{shown}` | {(parameter.help or 'Which.').rstrip('.')}{plain} |\n".replace("<", "&lt;")


def _common(whole: Any) -> str:
    rows = "".join(_row(one) for one in whole.commands["submit"].params if one.name in COMMON)
    return f"## Options of every command\n\n| | meaning |\n|---|---|\n{rows}"


def _topics() -> Iterator[str]:
    for name, text in TOPICS.items():
        yield f"## {name.replace('-', ' ').capitalize()}\n\n```text\n{text().rstrip()}\n```\n"


def _first(command: Any) -> str:
    return " ".join((command.help or "").partition("\n\n")[0].split())


if __name__ == "__main__":
    sys.stdout.write(page())

"""`todoke help TOPIC`: topics that concern more than one command."""

from collections.abc import Callable, Mapping
from typing import Annotated

import typer

from todoke.cli.exits import Exit, WrongCall

_ENVIRONMENT = """\
TODOKE_URL         the API's address, such as https://reports.example.com or https://example.com/reports
TODOKE_API_KEY     the API key
TODOKE_PROFILE     a profile of `todoke login`
TODOKE_FORCE_TTY   format output as for a terminal
XDG_CONFIG_HOME    folder of todoke/config.toml (default: ~/.config)
XDG_CACHE_HOME     folder where completion caches names for a minute (default: ~/.cache)
NO_COLOR           disable colours; CLICOLOR_FORCE: colours in pipes, too; TERM=dumb: no animation
HTTPS_PROXY, HTTP_PROXY, NO_PROXY, SSL_CERT_FILE   with their usual meaning

Options override the environment, the environment overrides the profile, and the profile overrides the
default, http://localhost:8000. The key of a profile is only ever sent to the address of that profile.

The configuration file is ~/.config/todoke/config.toml, readable only by you:

  current = "production"

  [profiles.production]
  url = "https://reports.example.com"
  api_key_command = "pass show todoke"     # or api_key = "…", as `todoke login` writes it
"""
_OUTPUT = """\
Data goes to stdout, everything else to stderr. -o selects the format:

  table    on a terminal: aligned columns with a header; otherwise: tab-separated lines without a header.
           Times are local on a terminal, and carry their offset otherwise
  json     the exact response of the API
  jsonl    one object per line, as they arrive
  id       ids only, one per line

--fields a,b.c prints only these fields of the API's response. Errors go to stderr; with -o json and -o jsonl, an
API error is printed as its problem document (RFC 9457). Without a terminal there are no animations, no colours and
no prompts, and progress is one line per status change.
"""


def _exit_codes() -> str:
    return "".join(f"{int(code):>4}  {code.meaning}\n" for code in Exit) + (
        "\n`verify` uses 0, 1 and 2 only. A command on several jobs exits with the worst code.\n"
    )


TOPICS: Mapping[str, Callable[[], str]] = {
    "environment": lambda: _ENVIRONMENT,
    "exit-codes": _exit_codes,
    "output": lambda: _OUTPUT,
}


def add(app: typer.Typer) -> None:
    """Add the command."""

    @app.command("help", help="Explain exit codes, environment variables or output formats.")
    def help_(
        topic: Annotated[str, typer.Argument(metavar="TOPIC", help=", ".join(TOPICS), show_default=False)] = "",
    ) -> None:
        if not topic:
            typer.echo(f"todoke help TOPIC, where TOPIC is one of: {', '.join(TOPICS)}")
        elif topic not in TOPICS:
            raise WrongCall(f"help {topic}: unknown topic; choose one of {', '.join(TOPICS)}")
        else:
            typer.echo(TOPICS[topic](), nl=False)

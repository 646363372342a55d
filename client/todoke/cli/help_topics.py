"""`todoke help TOPIC`: topics that concern more than one command."""

from collections.abc import Callable, Mapping
from typing import Annotated

import typer

from todoke.cli.exits import Exit, WrongCall

_ENVIRONMENT = """\
TODOKE_URL         the API's address, such as https://reports.example.com or https://example.com/reports
TODOKE_API_KEY     the API key
TODOKE_PROFILE     a profile of `todoke login`
TODOKE_FORCE_TTY   write as if to a terminal
XDG_CONFIG_HOME    where todoke/config.toml is (else ~/.config)
XDG_CACHE_HOME     where completion keeps what it learned for a minute (else ~/.cache)
NO_COLOR           no colours; CLICOLOR_FORCE: colours in a pipe, too; TERM=dumb: nothing that moves
HTTPS_PROXY, HTTP_PROXY, NO_PROXY, SSL_CERT_FILE   as everywhere

An option counts more than the environment, the environment more than the profile, the profile more than the
default, http://localhost:8000. The key of a profile is sent to the address of that profile and to no other.

The configuration is ~/.config/todoke/config.toml, readable by you alone:

  current = "production"

  [profiles.production]
  url = "https://reports.example.com"
  api_key_command = "pass show todoke"     # or api_key = "…", as `todoke login` writes it
"""
_OUTPUT = """\
Data is written to stdout, everything else to stderr. -o says how:

  table    aligned columns with a header on a terminal; else one line each, columns separated by a tab, no header;
           times are local on a terminal, and have their offset elsewhere
  json     exactly what the API answered
  jsonl    one object in a line, as they come
  id       ids alone, one in a line

--fields a,b.c writes only these fields of the API's answer. Errors are on stderr; with -o json and -o jsonl an
error of the API is its problem document (RFC 9457). Off a terminal nothing moves, nothing has a colour, nothing is
asked, and progress is a line for each change of state.
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

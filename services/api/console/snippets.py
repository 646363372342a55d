"""A form's request written in other ways: with curl, the command line, and Python."""

import json
import shlex
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from services.api.actions.passwords import FIELD as PASSWORD

_PYTHON_NAMES = {
    "runAt": "run_at", "notAfter": "not_after", "priority": "priority", "labels": "labels", "fileName": "file_name",
    "callbackUrl": "callback_url",
}  # fmt: skip
_COMMAND_NAMES = {
    "runAt": "--at", "notAfter": "--not-after", "priority": "--priority", "fileName": "--file-name",
    "callbackUrl": "--callback-url",
}  # fmt: skip


class Snippet(NamedTuple):
    """One way to write the request."""

    name: str
    """The key of its title."""
    text: str


def snippets(asked: Mapping[str, Any], url: str, *, keyed: bool) -> Sequence[Snippet]:
    """Return every way to send a request with these fields to the API at `url`; `keyed` if it needs a key.

    No snippet contains a password.
    """
    if PASSWORD in asked:
        asked = {**asked, PASSWORD: "…"}
    return [
        Snippet("curl", _curl(asked, url, keyed=keyed)),
        Snippet("command", _command(asked)),
        Snippet("python", _python(asked)),
    ]


def _curl(asked: Mapping[str, Any], url: str, *, keyed: bool) -> str:
    body = json.dumps(asked, ensure_ascii=False)
    key = ['  -H "Authorization: Bearer $TODOKE_API_KEY"'] if keyed else []
    lines = [
        f"curl {shlex.quote(f'{url}/v1/jobs')}",
        *key,
        "  -H 'Content-Type: application/json'",
        f"  -d {shlex.quote(body)}",
    ]
    return " \\\n".join(lines)


def _command(asked: Mapping[str, Any]) -> str:
    words = [f"todoke submit {asked['reportType']}"]
    for name, value in asked.get("parameters", {}).items():
        given = f"{name}={value}" if isinstance(value, str) else f"{name}:={json.dumps(value, ensure_ascii=False)}"
        words.append(f"  -p {shlex.quote(given)}")
    if asked.get("formats"):
        words.append(f"  -f {','.join(asked['formats'])}")
    words += [f"  --label {shlex.quote(f'{name}={value}')}" for name, value in asked.get("labels", {}).items()]
    words += [f"  {flag} {shlex.quote(str(asked[name]))}" for name, flag in _COMMAND_NAMES.items() if name in asked]
    words += ["  --password-file -"] if PASSWORD in asked else []
    return " \\\n".join([*words, "  --wait --into ."])


def _python(asked: Mapping[str, Any]) -> str:
    options = [f"        {python}={asked[name]!r}," for name, python in _PYTHON_NAMES.items() if name in asked]
    formats = [f"        formats={asked['formats']!r},"] if asked.get("formats") else []
    typed = PASSWORD in asked
    options += ["        password=getpass(),"] if typed else []
    return "\n".join(
        [
            *(["from getpass import getpass", ""] if typed else []),
            "from todoke import Todoke",
            "",
            "with Todoke() as todoke:",
            "    job = todoke.jobs.create(",
            f"        {asked['reportType']!r},",
            f"        {dict(asked.get('parameters', {}))!r},",
            *formats,
            *options,
            "    )",
            "    todoke.jobs.wait(job.id)",
            '    todoke.jobs.download(job.id, ".")',
        ]
    )

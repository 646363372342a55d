"""Chooses the server and the key: from options, the environment, a profile of the configuration file,
or the default.
"""

import json
import os
import re
import shlex
import stat
import subprocess
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from todoke.cli.exits import WrongCall

DEFAULT_URL = "http://localhost:8000"
USUAL = "default"


@dataclass(frozen=True, slots=True)
class Profile:
    """An address, and the key for it."""

    url: str | None = None
    api_key: str | None = field(default=None, repr=False)
    api_key_command: str | None = None


@dataclass(frozen=True, slots=True)
class Profiles:
    """The configuration file."""

    current: str = USUAL
    profiles: Mapping[str, Profile] = field(default_factory=dict)


def path(environment: Mapping[str, str] = os.environ) -> Path:
    """Return the path of the file: `$XDG_CONFIG_HOME/todoke/config.toml`."""
    base = environment.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    return Path(base) / "todoke" / "config.toml"


def load(file: Path) -> Profiles:
    """Read the file; a missing one is empty. Raises WrongCall if other users can read it."""
    try:
        if os.name == "posix" and file.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise WrongCall(
                f"{file} contains keys and is readable by others; fix with: chmod 600 {shlex.quote(str(file))}"
            )
        content = tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return Profiles()
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise WrongCall(f"{file} cannot be read: {error}") from None
    listed = content.get("profiles", {})
    if not isinstance(listed, dict) or not all(isinstance(one, dict) for one in listed.values()):
        raise WrongCall(f"{file}: profiles are tables, such as [profiles.default]")
    return Profiles(_text(content, "current") or USUAL, {name: _profile(one) for name, one in listed.items()})


def save(file: Path, profiles: Profiles) -> None:
    """Write the file atomically, readable by its owner only. Raises WrongCall."""
    lines = ["# Written by `todoke login` and `todoke profile`.", f"current = {_as_toml(profiles.current)}"]
    for name, one in sorted(profiles.profiles.items()):
        lines += ["", f"[profiles.{_as_toml(name)}]"]
        fields = {"url": one.url, "api_key": one.api_key, "api_key_command": one.api_key_command}
        lines += [f"{key} = {_as_toml(value)}" for key, value in fields.items() if value is not None]
    try:
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        new = file.with_name(f"{file.name}.{os.getpid()}.new")
        new.touch(mode=0o600)
        new.write_text("\n".join(lines) + "\n", encoding="utf-8")
        new.replace(file)
    except OSError as error:
        raise WrongCall(f"{file} cannot be written: {error.strerror}") from None


def _as_toml(text: str) -> str:
    """Return a text in TOML's notation: JSON's, except that lone surrogates are not allowed and DEL is escaped."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def check_name(name: str) -> str:
    """Return a valid profile name. Raises WrongCall."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}", name):
        raise WrongCall(f"--profile {name}: a profile's name is 1 to 64 letters, digits, '.', '_' and '-'")
    return name


def choose(
    url: str | None, profile: str | None, environment: Mapping[str, str] = os.environ, file: Path | None = None
) -> Profile:
    """Choose the profile to use. A profile's key is sent to that profile's address only. Raises WrongCall."""
    named = profile or environment.get("TODOKE_PROFILE")
    url = url or environment.get("TODOKE_URL")
    key = environment.get("TODOKE_API_KEY")
    if url and key:
        return Profile(url, key)
    stored = load(file or path(environment))
    name = named or stored.current
    if named and named not in stored.profiles:
        raise WrongCall(f"--profile {named}: no such profile; {_have(stored)}")
    found = stored.profiles.get(name, Profile())
    address = url or found.url or DEFAULT_URL
    if key:
        return Profile(address, key)
    if url and url.rstrip("/") != (found.url or DEFAULT_URL).rstrip("/"):
        return Profile(url)
    return Profile(address, found.api_key or _asked(found.api_key_command))


def _asked(command: str | None) -> str | None:
    """Return the key that a password manager's command prints."""
    if command is None:
        return None
    try:
        done = subprocess.run(  # noqa: S603 - the user's own command, of the user's own file
            shlex.split(command), stdout=subprocess.PIPE, text=True, timeout=60, check=False
        )
    except (OSError, ValueError, subprocess.TimeoutExpired) as error:
        raise WrongCall(f"api_key_command cannot be run: {error}") from None
    key = done.stdout.strip().partition("\n")[0]
    if done.returncode != 0 or not key:
        raise WrongCall(f"api_key_command printed no key (exit code {done.returncode})")
    return key


def masked(key: str | None) -> str:
    """Return a key in the form that may be shown."""
    return "" if key is None else f"…{key[-4:]}" if len(key) >= 16 else "…"


def _have(stored: Profiles) -> str:
    names = ", ".join(sorted(stored.profiles))
    return f"known profiles: {names}" if names else "create one with `todoke login`"


def _profile(raw: Mapping[str, Any]) -> Profile:
    return Profile(_text(raw, "url"), _text(raw, "api_key"), _text(raw, "api_key_command"))


def _text(raw: Mapping[str, Any], name: str) -> str | None:
    value = raw.get(name)
    if value is not None and not isinstance(value, str):
        raise WrongCall(f"the configuration's {name} must be a text")
    return value

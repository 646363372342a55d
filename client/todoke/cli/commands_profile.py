"""`login`, `logout` and `profile`: the server to use, and the key for it."""

import getpass
import sys
from dataclasses import replace
from typing import Annotated

import typer

from todoke.cli import columns, profiles
from todoke.cli.common import command, group
from todoke.cli.exits import WrongCall
from todoke.cli.profiles import Profile, Profiles
from todoke.cli.session import Session
from todoke.cli.terminal import is_terminal, say


def add(app: typer.Typer) -> None:
    """Add the commands."""
    command(
        app, "login",
        "todoke login --at https://reports.example.com",
        "todoke login --at https://reports.example.com --as production",
        "pass show todoke | todoke login --at https://reports.example.com",
        without=("url", "profile", "output", "fields"),
    )(login)  # fmt: skip
    command(app, "logout", "todoke logout", "todoke logout --as production",
            without=("url", "profile", "output", "fields", "max_wait", "verbose"))(logout)  # fmt: skip
    inner = group("List and select profiles.")
    offline = ("url", "profile", "max_wait", "verbose")
    command(inner, "list", "todoke profile list", without=offline)(list_profiles)
    command(inner, "use", "todoke profile use production", without=(*offline, "output", "fields"))(use)
    command(inner, "show", "todoke profile show", "todoke profile show production", without=offline)(show)
    app.add_typer(inner, name="profile")


As = Annotated[str, typer.Option("--as", metavar="NAME", help="The profile's name.")]


def login(
    session: Session,
    at: Annotated[str, typer.Option("--at", metavar="URL", help="The API's address.")] = profiles.DEFAULT_URL,
    name: As = profiles.USUAL,
    check: Annotated[bool, typer.Option("--check/--no-check", help="Test the key before saving it.")] = True,
) -> None:
    """Save an address and an API key as a profile and use it. Reads the key from a prompt or stdin."""
    profiles.check_name(name)
    if is_terminal(sys.stdin):
        key = getpass.getpass("API key (empty for none): ").strip()
    else:
        key = sys.stdin.readline().strip()
    if check:
        from todoke.client import Todoke

        with Todoke(at, key, max_retries=1) as todoke:
            count = len(todoke.types.list().types)
        session.say(f"{at} answers: {count} report type{'s' if count != 1 else ''}")
    file = profiles.path()
    stored = profiles.load(file)
    changed = {**stored.profiles, name: Profile(at, key or None)}
    profiles.save(file, Profiles(name, changed))
    session.say(f"profile {name} saved in {file}")


def logout(session: Session, name: As = profiles.USUAL) -> None:
    """Forget a profile's key."""
    file = profiles.path()
    stored = profiles.load(file)
    if name not in stored.profiles:
        raise WrongCall(f"--as {name}: no such profile")
    kept = {**stored.profiles, name: replace(stored.profiles[name], api_key=None, api_key_command=None)}
    profiles.save(file, replace(stored, profiles=kept))
    session.say(f"key of profile {name} removed; it stays valid on the server until it is revoked there")


def list_profiles(session: Session) -> None:
    """List profiles; a star marks the current one."""
    stored = profiles.load(profiles.path())
    raws = [_shown(name, one, stored) for name, one in sorted(stored.profiles.items())]
    session.write.whole(raws, raws, columns.PROFILES, id_field="name")
    if not raws:
        say("no profiles yet: create one with `todoke login`")


def use(session: Session, name: Annotated[str, typer.Argument(metavar="NAME", show_default=False)]) -> None:
    """Select the current profile."""
    file = profiles.path()
    stored = profiles.load(file)
    if name not in stored.profiles:
        raise WrongCall(f"{name}: no such profile")
    profiles.save(file, replace(stored, current=name))
    session.say(f"{name} is now the current profile")


def show(
    session: Session, name: Annotated[str | None, typer.Argument(metavar="[NAME]", show_default=False)] = None
) -> None:
    """Show a profile with its key masked."""
    stored = profiles.load(profiles.path())
    chosen = name or stored.current
    if chosen not in stored.profiles:
        raise WrongCall(f"{chosen}: no such profile")
    session.write.one(_shown(chosen, stored.profiles[chosen], stored), columns.PROFILES, id_field="name")


def _shown(name: str, one: Profile, stored: Profiles) -> dict[str, object]:
    key = "by api_key_command" if one.api_key_command else profiles.masked(one.api_key)
    return {"name": name, "url": one.url, "key": key, "current": name == stored.current}

"""The sources that reports of a command may read: those of the environment, and those named in the call."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from services.cli.errors import WrongCall
from shared.catalog.source_urls import DEFAULT, parse_sources, sources_of


def chosen_sources(command: str, environment: Mapping[str, str], given: Sequence[str] = ()) -> Mapping[str, str]:
    """Return the URL of each source by its name; `given` are `URL` and `NAME=URL`, which take precedence.

    Raises WrongCall.
    """
    named = [one for one in given if not _is_address(one)]
    plain = [one for one in given if _is_address(one)]
    if len(plain) > 1:
        raise WrongCall("--source is given twice without a name: write NAME=URL for all but one")
    if not plain and environment.get("DATABASE_URL") and not environment.get("REPORT_SOURCE_URL"):
        print(f"{command}: without REPORT_SOURCE_URL, queries run as the role of DATABASE_URL", file=sys.stderr)
    try:
        of_environment = sources_of(environment)
    except ValueError as error:
        raise WrongCall(f"REPORT_SOURCES: {error}") from None
    try:
        of_call = {**({DEFAULT: plain[0]} if plain else {}), **parse_sources(" ".join(named))}
    except ValueError as error:
        raise WrongCall(f"--source: {error}") from None
    return {**of_environment, **of_call}


def fonts_of(environment: Mapping[str, str]) -> Path | None:
    """Return the folder of REPORT_FONTS, if it is set."""
    return Path(environment["REPORT_FONTS"]) if environment.get("REPORT_FONTS") else None


def _is_address(one: str) -> bool:
    """True for an address, as opposed to NAME=ADDRESS."""
    return "://" in one.partition("=")[0] or "=" not in one

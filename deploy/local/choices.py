"""The user's own report types and database instead of the sample's, checked before anything is started."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psycopg

from deploy.local.processes import LocalFailure
from shared.catalog.load import CatalogError, load_catalog
from shared.catalog.source_urls import parse_sources
from shared.database.libpq import said_of

SAMPLE_CATALOG = Path(__file__).parents[1] / "sample" / "catalog"


@dataclass(frozen=True, slots=True)
class Choices:
    """The choices for `make run`."""

    catalog: Path = SAMPLE_CATALOG
    source: str | None = None
    """The database that queries read, under the name of REPORT_SOURCE_URL; None for the sample data."""
    named_sources: str = ""
    """In the format of REPORT_SOURCES."""
    keys: bool = False
    """Whether everyone needs an API key."""

    @property
    def sample(self) -> bool:
        """Whether the sample reports are served."""
        return self.catalog == SAMPLE_CATALOG

    def environment(self) -> Mapping[str, str]:
        """Return the variables for the services, without those that were not chosen."""
        chosen = {
            "REPORT_SOURCE_URL": self.source,
            "REPORT_SOURCES": self.named_sources,
            "API_AUTH": "keys" if self.keys else None,
        }
        return {"CATALOG_PATH": str(self.catalog), **{name: value for name, value in chosen.items() if value}}


def choose(catalog: Path | None, sources: Sequence[str], *, keys: bool = False) -> Choices:
    """Read the catalog and connect to the sources. Raises LocalFailure, which says what is wrong with which of them."""
    if catalog is None:
        return Choices(keys=keys)
    try:
        load_catalog(catalog)
    except CatalogError as error:
        raise LocalFailure(f"--catalog {catalog} cannot be served:\n{error}") from None
    plain = [one for one in sources if _is_address(one)]
    if len(plain) > 1:
        raise LocalFailure("--source is given twice without a name: write NAME=URL for all but one")
    named = " ".join(one for one in sources if not _is_address(one))
    try:
        urls = [*plain, *parse_sources(named).values()]
    except ValueError as error:
        raise LocalFailure(f"--source: {error}") from None
    for url in urls:
        _knock(url)
    return Choices(catalog.resolve(), plain[0] if plain else None, named, keys)


def _is_address(one: str) -> bool:
    """True for an address, as opposed to NAME=ADDRESS."""
    return "://" in one.partition("=")[0] or "=" not in one


def _knock(url: str) -> None:
    if not url.startswith(("postgresql://", "postgres://", "postgresql+psycopg://")):
        if "://" not in url:
            raise LocalFailure("--source must be an address such as postgresql://user:password@host:5432/database")
        return  # files, or a plugin's scheme: the report that reads it will report errors
    try:
        psycopg.connect(url.replace("+psycopg", "", 1), connect_timeout=5).close()
    except psycopg.Error as error:
        raise LocalFailure(f"--source cannot be read: {said_of(url, error)}") from None

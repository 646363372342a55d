"""`todoke --version`: this version, and the server's if it answers."""

from collections.abc import Iterator

from todoke.version import VERSION

_PATIENCE_S = 2.0


def lines() -> Iterator[str]:
    """Yield the version of this client, then the server's; only the first if the server does not answer."""
    yield f"todoke {VERSION}"
    import httpx2

    from todoke.cli import profiles
    from todoke.cli.terminal import one_line
    from todoke.errors import TodokeError

    try:
        url = (profiles.choose(None, None).url or "").rstrip("/")
        version = httpx2.get(f"{url}/openapi.json", timeout=_PATIENCE_S).json()["info"]["version"]
    except (TodokeError, httpx2.HTTPError, httpx2.InvalidURL, ValueError, KeyError, TypeError):
        return
    yield f"server {one_line(version)} at {url}"

"""The name under which a browser saves a file."""

from urllib.parse import quote


def content_disposition(name: str) -> str:
    """The header `attachment` with a file name that any browser understands and none can be tricked by (RFC 6266)."""
    plain = "".join(c if c.isascii() and (c.isalnum() or c in "._- ") else "_" for c in name)
    extended = "" if plain == name else f"; filename*=UTF-8''{quote(name, safe='', errors='replace')}"
    return f'attachment; filename="{plain}"{extended}'

"""The name under which a browser saves a file."""

from urllib.parse import quote


def content_disposition(name: str) -> str:
    """Return the header value `attachment` with a file name that every browser understands and that can trick none (RFC
    6266).
    """
    plain = "".join(c if c.isascii() and (c.isalnum() or c in "._- ") else "_" for c in name)
    extended = "" if plain == name else f"; filename*=UTF-8''{quote(name, safe='', errors='replace')}"
    return f'attachment; filename="{plain}"{extended}'

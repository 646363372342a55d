"""Checks the names and media types of files that a Python report type attaches.

A name must work in a URL, in a ZIP archive, and as a file on every system where somebody saves it.
"""

import re
import unicodedata

from shared.joiners import without_joiners
from shared.reports import errors

_MOST_BYTES = 200
"""Length of a name in UTF-8. File systems allow 255, and stores add something of their own."""
# "Naming Files, Paths, and Namespaces" (Microsoft, read 2026-11-28).
_FORBIDDEN = frozenset('<>:"/\\|?*')
_DEVICE = re.compile(r"(con|prn|aux|nul|com[0-9\u00b9\u00b2\u00b3]|lpt[0-9\u00b9\u00b2\u00b3])(\..*)?", re.IGNORECASE)
# RFC 9110, 8.3.1: type "/" subtype *( OWS ";" OWS parameter ), of tokens and quoted strings.
_WORD = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_MEDIA_TYPE = re.compile(rf'{_WORD}/{_WORD}( ?; ?{_WORD}=({_WORD}|"[ !#-\[\]-~]*"))*')
_LONGEST_TYPE = 255


def check_name(name: str) -> None:
    """Raise ReportError for a name that cannot be a file name everywhere."""
    if why := _why_not(name):
        raise errors.attachment_wrong(name, why)


def _why_not(name: str) -> str:
    if not name or name.startswith("."):
        return "a name may not be empty or begin with a point"
    if bad := next((c for c in name if c in _FORBIDDEN), ""):
        return f"{bad} is not allowed in a name"
    # Control characters, invisible characters that change the direction of writing, unpaired surrogates.
    if bad := next((c for c in without_joiners(name) if unicodedata.category(c) in {"Cc", "Cf", "Cs", "Zl", "Zp"}), ""):
        return f"the character U+{ord(bad):04X} is not allowed in a name"
    if name.endswith((".", " ")):
        return "a name may not end in a point or a space"
    if _DEVICE.fullmatch(name):
        return "Windows takes it for a device"
    if len(name.encode()) > _MOST_BYTES:
        return f"a name may have {_MOST_BYTES} bytes in UTF-8"
    return ""


def check_media_type(name: str, media_type: str) -> None:
    """Raise ReportError for a media type that cannot stand in a Content-Type header."""
    if len(media_type) > _LONGEST_TYPE or not _MEDIA_TYPE.fullmatch(media_type):
        why = f"{media_type[:100]!r} is not a media type: write one such as text/plain or text/plain; charset=utf-8"
        raise errors.attachment_wrong(name, why)

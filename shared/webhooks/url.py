"""Validates the address of a webhook, before anything connects to it."""

import ipaddress
import re
import socket
from typing import NamedTuple
from urllib.parse import urlsplit

from shared.runtime.egress import Egress

LONGEST = 2_048
_PLAIN = re.compile(r"[!#-;=?-\[\]_a-z~]+")
"""Printable ASCII that a URL may contain: not `"`, `<`, `>`, the backslash, `^`, the backtick, nor braces and bars."""
_NAME = re.compile(r"(?=.{1,253}$)[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)*")
_PORTS = {"https": 443, "http": 80}


class Target(NamedTuple):
    """An address in its normal form."""

    url: str
    origin: str
    """Scheme, host and port: what a callback must share with its webhook."""


def read_url(text: object, egress: Egress) -> Target | str:
    """Return the address in its normal form, or what is wrong with it and the remedy.

    Where it leads is not checked here, because that may change: the sender checks the address of each socket.
    """
    if not isinstance(text, str):
        return "must be a text: https://example.com/todoke"
    if len(text) > LONGEST:
        return f"must have at most {LONGEST} characters"
    try:
        parts = urlsplit(text)
        scheme, name, port = parts.scheme, parts.hostname or "", parts.port
    except ValueError:
        return "is not a URL: write https://example.com/todoke"
    wrong = _wrong_parts(text, scheme, name, egress)
    if wrong:
        return wrong
    host = _host(name)
    if host is None:
        return "names a host that cannot be one: write https://example.com/todoke"
    port = _PORTS[scheme] if port is None else port
    if wrong := _wrong_place(host, port, scheme, egress):
        return wrong
    shown = f"[{host}]" if ":" in host else host
    origin = f"{scheme}://{shown}" + ("" if port == _PORTS[scheme] else f":{port}")
    rest = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return (
        Target(origin + rest, origin) if _PLAIN.fullmatch(rest) else "holds a character that has to be written as %XX"
    )


def origin_of(url: str) -> str:
    """Return scheme, host and port of an address in its normal form."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def without_query(url: str) -> str:
    """Return the address as it may be shown and stored: its query may contain a secret."""
    own, mark, _ = url.partition("?")
    return f"{own}?…" if mark else own


def _wrong_parts(text: str, scheme: str, name: str, egress: Egress) -> str | None:
    if "\\" in text or any(ord(one) < 33 or ord(one) == 127 for one in text):
        return "holds a character that no URL has"
    if scheme not in _PORTS or not name:
        return "must begin with https:// and a host: https://example.com/todoke"
    if scheme == "http" and not egress.opened:
        return "must begin with https://: what is sent over http can be read and changed on its way"
    if "@" in text.partition("//")[2].partition("/")[0]:
        return "must hold no user name and no password: deliveries are signed, see `secret`"
    return "must have no part after #: it is never sent" if "#" in text else None


def _wrong_place(host: str, port: int, scheme: str, egress: Egress) -> str | None:
    """Return what can be ruled out now; everything else is checked on connecting."""
    if not any(port in some for some in egress.ports):
        remedy = "leave it out, or ask who runs the service (WEBHOOK_PORTS)"
        return f"has the port {port}, to which webhooks may not lead here: {remedy}"
    literal = _address(host)
    if literal is None and _is_number(host):
        return "writes an IPv4 address in an unusual way: write four decimal numbers, or better a name"
    if literal is not None and not egress.lets(literal, port, encrypted=scheme == "https"):
        remedy = "ask who runs the service (WEBHOOK_NETWORKS)"
        return f"leads to an address that is not public, to which webhooks may not lead here: {remedy}"
    return None


def _host(name: str) -> str | None:
    """The host as it is looked up: lower case, and other letters as IDNA has them (RFC 3490, as Python does)."""
    if _address(name) is not None:
        return _address(name)
    try:
        plain = name.encode("idna").decode().lower().removesuffix(".")
    except UnicodeError:
        return None
    return plain if _NAME.fullmatch(plain) else None


def _address(host: str) -> str | None:
    try:
        return ipaddress.ip_address(host).compressed
    except ValueError:
        return None


def _is_number(host: str) -> bool:
    """True for `127.1`, `0x7f000001`, `2130706433` and the like, which a resolver takes for an address."""
    try:
        socket.inet_aton(host)
    except OSError:
        return False
    return True

"""Fetches a small JSON document over HTTPS, bounded in time and size, without following redirects."""

import base64
import http.client
import json
import re
import socket
import ssl
import threading
import urllib.request
from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import unquote, urlencode, urlsplit

from services.api.auth.issuers import url_problem
from shared.errors import TodokeError

_CONNECT_S = 5.0
_READ_S = 5.0
"""Between two pieces of the answer."""
_WHOLE_S = 10.0
_MOST_BYTES = 256 * 1024
_MAX_AGE = re.compile(r"(?:^|[,\s])max-age\s*=\s*\"?([0-9]{1,9})")


class CannotFetch(TodokeError):
    """The document could not be fetched, or is not valid. The message is for the operator."""


class Document(NamedTuple):
    """The fetched document."""

    content: Mapping[str, Any]
    max_age_s: float | None
    """How long it may be cached, according to its Cache-Control."""


def fetch(url: str) -> Document:
    """Return the object at `url`. Raises CannotFetch, within about ten seconds."""
    return _ask(url, "GET")


def post_form(url: str, fields: Mapping[str, str], headers: Mapping[str, str]) -> Document:
    """Return the object with which the server answers a form.

    Raises CannotFetch as `fetch` does; its message quotes nothing of the form.
    """
    form = {"Content-Type": "application/x-www-form-urlencoded", **headers}
    return _ask(url, "POST", urlencode(fields).encode(), form)


def _ask(url: str, method: str, body: bytes | None = None, headers: Mapping[str, str] | None = None) -> Document:
    if wrong := url_problem(url):
        raise CannotFetch(f"{url[:300]} {wrong}")
    connection = _connection(url)
    # A server that sends one byte now and then keeps every single wait short.
    late = threading.Timer(_WHOLE_S, _hang_up, [connection])
    late.daemon = True
    late.start()
    try:
        return _answer(connection, url, method, body, headers or {})
    except (OSError, http.client.HTTPException, ValueError, RecursionError) as error:
        raise CannotFetch(f"{url[:300]} cannot be fetched: {str(error) or type(error).__name__}") from None
    finally:
        late.cancel()
        connection.close()


def _answer(
    connection: http.client.HTTPConnection, url: str, method: str, body: bytes | None, headers: Mapping[str, str]
) -> Document:
    parts = urlsplit(url)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    connection.connect()
    connection.sock.settimeout(_READ_S)
    own = {"Accept": "application/json", "User-Agent": "todoke"}
    connection.request(method, target, body, {**own, **headers})
    answer = connection.getresponse()
    if answer.status != http.client.OK:
        raise CannotFetch(f"{url[:300]} answers {answer.status}; redirects are not followed")
    came = answer.read(_MOST_BYTES + 1)
    if len(came) > _MOST_BYTES:
        raise CannotFetch(f"{url[:300]} has more than {_MOST_BYTES} bytes")
    content = json.loads(came)
    if not isinstance(content, dict):
        raise CannotFetch(f"{url[:300]} is not a JSON object")
    found = _MAX_AGE.search(answer.headers.get("Cache-Control", ""))
    return Document(content, float(found[1]) if found else None)


def _connection(url: str) -> http.client.HTTPConnection:
    """Return an unconnected connection, through the proxy of HTTPS_PROXY if it names one for this host."""
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port
    if parts.scheme == "http":
        return http.client.HTTPConnection(host, port or 80, timeout=_CONNECT_S)
    context = ssl.create_default_context()
    proxy = None if urllib.request.proxy_bypass(host) else urllib.request.getproxies().get("https")
    if proxy is None:
        return http.client.HTTPSConnection(host, port or 443, timeout=_CONNECT_S, context=context)
    via = urlsplit(proxy if "//" in proxy else f"//{proxy}")
    through = http.client.HTTPSConnection(via.hostname or "", via.port or 80, timeout=_CONNECT_S, context=context)
    through.set_tunnel(host, port or 443, _credentials(via.username, via.password))
    return through


def _credentials(user: str | None, password: str | None) -> Mapping[str, str]:
    """Return the header with the proxy's credentials, if its address contains any."""
    if user is None:
        return {}
    pair = f"{unquote(user)}:{unquote(password or '')}".encode()
    return {"Proxy-Authorization": f"Basic {base64.b64encode(pair).decode()}"}


def _hang_up(connection: http.client.HTTPConnection) -> None:
    if (sock := connection.sock) is not None:
        try:
            sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            return

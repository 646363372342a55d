"""Sends deliveries over libcurl: many at a time, each bounded, and each socket checked before it is opened.

Only the address decides where a request goes: no redirect is followed, no proxy is used, no cookie or password is kept,
and no connection serves a second delivery. Answers are read up to a bound and not decompressed. Sources: libcurl's
CURLOPT_OPENSOCKETFUNCTION(3), CURLOPT_PROXY(3), CURLOPT_DEBUGFUNCTION(3), CURLOPT_RESOLVE(3) (8.x, read 2026-11-29 and
30).
"""

import ipaddress
import socket
import time
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple
from urllib.parse import urlsplit
from uuid import UUID

import pycurl

from shared.runtime.egress import Egress
from shared.version import VERSION
from shared.webhooks.lookups import Lookups

CONNECT_TIMEOUT_S, TIMEOUT_S = 5, 15
MOST_READ, MOST_KEPT = 65_536, 4_096
"""Bytes of an answer that are read, and that are kept for its webhook's owner."""
_MOST_HEAD = 8_192
_AGENT = f"Todoke/{VERSION} (+https://www.standardwebhooks.com)"


class DeliveryRequest(NamedTuple):
    """A request to send."""

    id: UUID
    """By this id the sender recognises its answer."""
    tenant: str
    """The tenant, so that its name server cannot delay the requests of others."""
    url: str
    headers: Sequence[str]
    body: bytes


class Answer(NamedTuple):
    """The result of a request."""

    id: UUID
    status: int | None
    """The HTTP status; None if no complete head of an answer was received."""
    error: str | None
    """A code for what went wrong; it reveals nothing about the address. None if there was an answer, whatever it
    was."""
    took_ms: int
    request_head: str | None
    """The bytes that were sent before the body; None if nothing was."""
    response_head: str | None
    response_body: bytes
    retry_after: str | None


class DeliverySender:
    """Sends requests. Used from one thread."""

    def __init__(self, egress: Egress, *, certificates: str | None, lookups: Lookups | None = None) -> None:
        """`certificates` is a file of authorities in PEM; None for libcurl's own. `lookups` finds hosts."""
        self._egress = egress
        self._certificates = certificates
        self._lookups = lookups or Lookups()
        self._multi = pycurl.CurlMulti()
        self._looked_up: dict[UUID, _Sending] = {}
        """Requests whose host is being looked up."""
        self._under_way: dict[Any, _Sending] = {}

    @property
    def under_way(self) -> int:
        """How many requests have no answer yet."""
        return len(self._under_way) + len(self._looked_up)

    def send(self, request: DeliveryRequest) -> None:
        """Begin to send the request."""
        sending = _Sending(request, self._egress, self._certificates)
        host = _name_in(request.url)
        if host is None:
            self._connect(sending)
        else:
            self._looked_up[request.id] = sending
            self._lookups.begin(request.id, host, tenant=request.tenant)

    def wait(self, timeout_s: float) -> Sequence[Answer]:
        """Work on all requests until one of them is done or the time is over. Returns those that are done."""
        give_up_at = time.monotonic() + timeout_s
        while self.under_way:
            done = list(self._lost())
            self._multi.perform()
            done += self._done()
            left_s = give_up_at - time.monotonic()
            if done or left_s <= 0:
                return done
            if self._under_way:
                self._multi.select(min(left_s, 0.01 if self._looked_up else 0.05))
            else:
                self._lookups.wait(min(left_s, 0.05))
        return []

    def _lost(self) -> Iterator[Answer]:
        """Connect to the hosts that were found. Yields the answers of requests whose host was not found."""
        for request_id, addresses in self._lookups.take().items():
            sending = self._looked_up.pop(request_id)
            if addresses:
                self._connect(sending, addresses)
            else:
                yield sending.answer(pycurl.E_COULDNT_RESOLVE_HOST)
        for request_id, sending in list(self._looked_up.items()):
            if sending.age_s > CONNECT_TIMEOUT_S:
                self._lookups.forget(request_id)
                yield self._looked_up.pop(request_id).answer(pycurl.E_OPERATION_TIMEDOUT)

    def _connect(self, sending: "_Sending", addresses: Sequence[str] = ()) -> None:
        sending.connect_to(addresses)
        self._under_way[sending.curl] = sending
        self._multi.add_handle(sending.curl)

    def _done(self) -> list[Answer]:
        answers: list[Answer] = []
        while True:
            left, good, bad = self._multi.info_read()
            for curl, code in (*((one, 0) for one in good), *((one, code) for one, code, _ in bad)):
                self._multi.remove_handle(curl)
                answers.append(self._under_way.pop(curl).answer(code))
            if not left:
                return answers

    def close(self) -> None:
        """Drop everything: requests without an answer are sent again when their lease is over."""
        for curl, sending in self._under_way.items():
            self._multi.remove_handle(curl)
            sending.close()
        for request_id, sending in self._looked_up.items():
            self._lookups.forget(request_id)
            sending.close()
        self._under_way.clear()
        self._looked_up.clear()
        self._multi.close()


class _Sending:
    """One request and its answer."""

    def __init__(self, request: DeliveryRequest, egress: Egress, certificates: str | None) -> None:
        self._request = request
        self._egress = egress
        self._encrypted = request.url.startswith("https://")
        self._opened = self._refused = False
        self._began = time.monotonic()
        self._sent: list[bytes] = []
        self._head: list[bytes] = []
        self._head_bytes = 0
        self._body = bytearray()
        self._names = pycurl.CurlShare()
        self._names.setopt(pycurl.SH_SHARE, pycurl.LOCK_DATA_DNS)  # else all requests would share results
        self.curl = self._prepared(request, certificates)

    @property
    def age_s(self) -> float:
        """Seconds since the request was begun."""
        return time.monotonic() - self._began

    def connect_to(self, addresses: Sequence[str]) -> None:
        """Send it to these addresses of its host, or to the address in its URL if there are none.

        The time of the look-up counts.
        """
        parts = urlsplit(self._request.url)
        if addresses:
            port = parts.port or (443 if self._encrypted else 80)
            places = ",".join(f"[{one}]" if ":" in one else one for one in addresses)
            self.curl.setopt(pycurl.RESOLVE, [f"{parts.hostname}:{port}:{places}"])
        for option, most_s in ((pycurl.CONNECTTIMEOUT_MS, CONNECT_TIMEOUT_S), (pycurl.TIMEOUT_MS, TIMEOUT_S)):
            self.curl.setopt(option, max(1, round((most_s - self.age_s) * 1000)))

    def close(self) -> None:
        """Release its resources."""
        self.curl.close()
        self._names.close()

    def _prepared(self, request: DeliveryRequest, certificates: str | None) -> Any:
        """Return a handle that sends the request directly to an allowed address, and records every byte."""
        curl = pycurl.Curl()
        options: dict[int, object] = {
            pycurl.URL: request.url,
            pycurl.POSTFIELDS: request.body,
            pycurl.HTTPHEADER: [*request.headers, "Accept:", "Expect:"],
            pycurl.USERAGENT: _AGENT,
            pycurl.HTTP_VERSION: pycurl.CURL_HTTP_VERSION_1_1,
            pycurl.PROTOCOLS: pycurl.PROTO_HTTP | pycurl.PROTO_HTTPS,
            pycurl.FOLLOWLOCATION: 0,
            pycurl.MAXREDIRS: 0,
            pycurl.PROXY: "",  # otherwise HTTPS_PROXY would choose the address
            pycurl.NOPROXY: "*",
            pycurl.NETRC: pycurl.NETRC_IGNORED,
            pycurl.OPENSOCKETFUNCTION: self._open,
            pycurl.FRESH_CONNECT: 1,
            pycurl.FORBID_REUSE: 1,
            pycurl.SHARE: self._names,
            pycurl.NOSIGNAL: 1,
            pycurl.SSLVERSION: pycurl.SSLVERSION_TLSv1_2,
            pycurl.HTTP_CONTENT_DECODING: 0,
            pycurl.WRITEFUNCTION: self._take_body,
            pycurl.HEADERFUNCTION: self._take_head,
            pycurl.VERBOSE: 1,
            pycurl.DEBUGFUNCTION: self._note,
        }
        if certificates is not None:
            options[pycurl.CAINFO] = certificates
        for option, value in options.items():
            curl.setopt(option, value)
        return curl

    def _open(self, _: int, address: Any) -> Any:
        """Return a socket for the address that libcurl is about to connect to, or none if the
        address is not allowed.
        """
        family, kind, protocol, (host, port, *_rest) = address
        text = host.decode() if isinstance(host, bytes) else host
        if family not in {socket.AF_INET, socket.AF_INET6} or not self._egress.lets(
            text, port, encrypted=self._encrypted
        ):
            self._refused = True
            return pycurl.SOCKET_BAD
        self._opened = True
        return socket.socket(family, kind, protocol)

    def _take_head(self, line: bytes) -> None:
        if line.startswith(b"HTTP/"):
            self._head.clear()  # a 100 Continue or the like came before
            self._head_bytes = 0
        if self._head_bytes < _MOST_HEAD:
            self._head.append(line)
            self._head_bytes += len(line)

    def _take_body(self, part: bytes) -> int | None:
        self._body += part[: MOST_READ - len(self._body)]
        return None if len(self._body) < MOST_READ else -1  # enough has been read

    def _note(self, kind: int, data: bytes) -> None:
        if kind == pycurl.INFOTYPE_HEADER_OUT:
            self._sent.append(data)

    def answer(self, code: int) -> Answer:
        """Return the result, and release the request. `code` is libcurl's."""
        status = self.curl.getinfo(pycurl.RESPONSE_CODE) or None
        self.close()
        enough = code == pycurl.E_WRITE_ERROR and len(self._body) >= MOST_READ
        error = None if code == 0 or enough else self._word_for(code)
        return Answer(
            self._request.id,
            None if error else status,
            error,
            round(self.age_s * 1000),
            _text(b"".join(self._sent)) if self._sent else None,
            _text(b"".join(self._head)) if self._head else None,
            bytes(self._body[:MOST_KEPT]),
            self._header("retry-after"),
        )

    def _word_for(self, code: int) -> str:
        # Of several addresses, one may have been allowed.
        return "not_allowed" if self._refused and not self._opened else _WORDS.get(code, "broken")

    def _header(self, name: str) -> str | None:
        for line in self._head:
            key, _, value = line.decode("latin-1").partition(":")
            if key.strip().lower() == name:
                return value.strip()
        return None


_WORDS: dict[int, str] = {
    pycurl.E_COULDNT_RESOLVE_HOST: "unresolved",
    pycurl.E_COULDNT_CONNECT: "unreachable",
    pycurl.E_OPERATION_TIMEDOUT: "timeout",
    pycurl.E_SSL_CONNECT_ERROR: "tls",
    pycurl.E_PEER_FAILED_VERIFICATION: "tls",
    pycurl.E_SSL_CACERT_BADFILE: "tls",
}


def _name_in(url: str) -> str | None:
    """Return the host that must be looked up; None if the URL has an address instead."""
    host = urlsplit(url).hostname or ""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return host
    return None


def _text(raw: bytes) -> str:
    """Return the text in a form that can be stored: each byte is a Latin-1 letter, as in HTTP, except for characters
    that no text can hold.
    """
    return raw[:_MOST_HEAD].decode("latin-1").replace("\0", "\ufffd")

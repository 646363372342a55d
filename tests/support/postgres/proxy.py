"""A proxy that recognises statements, and breaks the connection before or after one, or freezes its sender.

It reads the messages of PostgreSQL's protocol 3 (PostgreSQL 18, "Message Flow", read 2026-11-25): the text of a
prepared statement is sent once with Parse; later Binds name it.
"""

import re
import struct
import threading
from collections.abc import Callable
from typing import NamedTuple

from shared.database.statements import statement_name
from tests.support.faults.plan import NO_FAULTS, Fault, Faults, strike
from tests.support.faults.tcp_proxy import Link, Proxy

_WRITES = re.compile(r"\b(INSERT|UPDATE|DELETE)\b")
_WITHIN_A_STATEMENT = {b"P", b"B", b"D", b"E", b"C"}
"""Parse, Bind, Describe, Execute, Close: the client sees no effect before Sync."""
_ENCRYPTION_REQUESTS = {80877103, 80877104}


def effect_of(sql: str) -> str | None:
    """Return a statement's name among the effects; None if it only reads."""
    if sql.strip().upper() == "COMMIT":
        return "COMMIT"
    return f"sql {statement_name(sql)}" if _WRITES.search(sql) else None


class _Message(NamedTuple):
    kind: bytes
    """One letter; empty for the messages before a session has begun."""
    body: bytes
    raw: bytes


class _Framing:
    """Cuts a stream into messages."""

    def __init__(self, *, begun: bool) -> None:
        self._rest = b""
        self.begun = begun
        """False while messages have no letter: a client's first ones."""

    def feed(self, piece: bytes) -> list[_Message]:
        self._rest += piece
        found: list[_Message] = []
        while True:
            head = 5 if self.begun else 4
            if len(self._rest) < head:
                return found
            (length,) = struct.unpack("!I", self._rest[head - 4 : head])
            end = head - 4 + length
            if len(self._rest) < end:
                return found
            raw, self._rest = self._rest[:end], self._rest[end:]
            message = _Message(raw[: head - 4], raw[head:], raw)
            if not self.begun and struct.unpack("!I", message.body[:4])[0] >> 16 == 3:
                self.begun = True
            found.append(message)


class PostgresProxy(Proxy):
    """Consults `faults` about every effect that passes. A client runs one statement at a time, as ours do."""

    def __init__(self, host: str, port: int, *, faults: Faults = NO_FAULTS, late_s: float = 1.0) -> None:
        super().__init__(host, port)
        self.faults = faults
        self.late_s = late_s
        """The delay of Fault.LATE."""

    def between(self, link: Link) -> tuple[Callable[[bytes], None], Callable[[bytes], None]]:
        """See `Proxy.between`."""
        session = _Session(self, link)
        return session.from_client, session.from_server


class _Session:
    """One connection's statements."""

    def __init__(self, proxy: PostgresProxy, link: Link) -> None:
        self._proxy = proxy
        self._link = link
        self._asked = _Framing(begun=False)
        self._answered = _Framing(begun=True)
        self._prepared: dict[bytes, str] = {}
        self._pending: Fault | None = None
        """The fault to apply once the current statement's reply is complete."""
        self._held: list[bytes] = []
        self._group: list[bytes] = []
        self._effects: list[str] = []
        self._state = b"I"
        """The transaction state that the server last reported: none (I), one (T), or a failed one (E)."""

    def from_client(self, piece: bytes) -> None:
        for message in self._asked.feed(piece):
            if not message.kind and self._first(message):
                continue
            text = self._text(message)
            effect = effect_of(text) if text is not None else None
            if effect is not None:
                self._effects.append(effect)
            # libpq sends a statement's messages in one piece, so a server never has half of them for long.
            self._group.append(message.raw)
            if message.kind not in _WITHIN_A_STATEMENT:
                self._pass_on()

    def _pass_on(self) -> None:
        """Send what belongs together, unless it is to be lost."""
        group, self._group = b"".join(self._group), []
        effects, self._effects = self._effects, []
        for effect in effects:
            fault = self._proxy.faults.at(effect)
            if fault is Fault.READ_ONLY:
                self._refuse("ERROR", "25006", "cannot execute UPDATE in a read-only transaction")
                self._link.client.sendall(b"Z" + struct.pack("!I", 5) + (b"I" if self._state == b"I" else b"E"))
                return
            if self._breaks(fault):
                self._link.cut()
                return
        self._link.server.sendall(group)

    def _refuse(self, severity: str, code: str, message: str) -> None:
        fields = b"".join(f"{letter}{text}".encode() + b"\0" for letter, text in
                          (("S", severity), ("V", severity), ("C", code), ("M", message)))  # fmt: skip
        self._link.client.sendall(b"E" + struct.pack("!I", len(fields) + 5) + fields + b"\0")

    def _first(self, message: _Message) -> bool:
        """Answer a request for encryption here: the proxy must be able to read the traffic."""
        (code,) = struct.unpack("!I", message.body[:4])
        if code in _ENCRYPTION_REQUESTS:
            self._link.client.sendall(b"N")
            return True
        return False

    def _text(self, message: _Message) -> str | None:
        """Return the statement that this message runs."""
        if message.kind == b"P":
            name, text, _ = message.body.split(b"\0", 2)
            self._prepared[name] = text.decode()
        elif message.kind == b"B":
            _, name, _ = message.body.split(b"\0", 2)
            return self._prepared.get(name)
        elif message.kind == b"Q":
            return message.body.rstrip(b"\0").decode()
        return None

    def _breaks(self, fault: Fault | None) -> bool:
        """Apply a fault that precedes the statement. True if the statement is lost, together with its connection."""
        if strike(self._proxy.faults, fault, before=True) or fault is Fault.NOT_APPLIED:
            return True
        if fault is Fault.ERROR:
            # The message of a server that is being shut down; nothing was done.
            self._refuse("FATAL", "57P01", "terminating connection due to administrator command")
            return True
        self._pending = fault
        return False

    def from_server(self, piece: bytes) -> None:
        if self._pending is None and not self._held:
            for message in self._answered.feed(piece):
                self._note(message)
            self._link.client.sendall(piece)
            return
        for message in self._answered.feed(piece):
            self._held.append(message.raw)
            self._note(message)
            if message.kind == b"Z":
                self._complete()
                if self._link.is_cut:
                    return

    def _note(self, message: _Message) -> None:
        if message.kind == b"Z":
            self._state = message.body

    def _complete(self) -> None:
        """The statement is done and, unless a transaction was begun, committed. Its reply has not been
        forwarded yet.
        """
        fault, self._pending = self._pending, None
        reply, self._held = b"".join(self._held), []
        if strike(self._proxy.faults, fault, before=False) or fault is Fault.REPLY_LOST:
            self._link.cut()
            return
        if fault is Fault.LATE:
            threading.Event().wait(self._proxy.late_s)
        self._link.client.sendall(reply)

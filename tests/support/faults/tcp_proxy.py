"""A TCP proxy that breaks connections on purpose. `postgres_proxy` does so at a chosen statement."""

import contextlib
import socket
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit, urlunsplit

_PIECE = 1 << 16


class Link:
    """One proxied connection."""

    def __init__(self, client: socket.socket, server: socket.socket) -> None:
        self.client = client
        self.server = server
        self._cut = threading.Event()

    @property
    def is_cut(self) -> bool:
        """True once nothing is forwarded any more."""
        return self._cut.is_set()

    def cut(self) -> None:
        """Break both sides at once, with a reset where the system supports it."""
        self._cut.set()
        for side in (self.client, self.server):
            with contextlib.suppress(OSError):
                side.shutdown(socket.SHUT_RDWR)


class Proxy:
    """Forwards to `host:port` until the block ends. The settings may be changed at any time.

    `listen` is the address to listen on: `::1` offers IPv6 to clients of a server that has none.
    """

    def __init__(self, host: str, port: int, *, listen: str = "127.0.0.1") -> None:
        self._host = f"[{listen}]" if ":" in listen else listen
        self._target = (host, port)
        self._links: set[Link] = set()
        self._lock = threading.Lock()
        self._flowing = threading.Event()
        self._flowing.set()
        self.refusing = False
        """New connections are closed at once: the host is up, the service is not."""
        self.delay_s = 0.0
        """The delay of every piece of a reply."""
        family = socket.AF_INET6 if ":" in listen else socket.AF_INET
        self._listener = socket.create_server((listen, 0), family=family, backlog=128)
        threading.Thread(target=self._accept, name="proxy", daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._flowing.set()
        self.cut()

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return int(self._listener.getsockname()[1])

    def url(self, url: str) -> str:
        """Return `url`, redirected through this proxy."""
        parts = urlsplit(url)
        user = parts.netloc.rpartition("@")[0]
        here = f"{self._host}:{self.port}"
        return urlunsplit(parts._replace(netloc=f"{user}@{here}" if user else here))

    def cut(self) -> int:
        """Break all open connections. Returns their number."""
        with self._lock:
            links = list(self._links)
        for link in links:
            link.cut()
        return len(links)

    def freeze(self) -> None:
        """Forward nothing and close nothing: a black hole."""
        self._flowing.clear()

    def thaw(self) -> None:
        """Forward what was held."""
        self._flowing.set()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            if self.refusing:
                client.close()
                continue
            threading.Thread(target=self._join, args=(client,), name="proxied", daemon=True).start()

    def _join(self, client: socket.socket) -> None:
        try:
            server = socket.create_connection(self._target, timeout=10)
        except OSError:
            client.close()
            return
        server.settimeout(None)
        for side in (client, server):
            side.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        link = Link(client, server)
        with self._lock:
            self._links.add(link)
        forth, back = self.between(link)
        reply = threading.Thread(target=self._pump, args=(link, server, back), name="proxied reply", daemon=True)
        reply.start()
        self._pump(link, client, forth)
        reply.join()
        with self._lock:
            self._links.discard(link)
        client.close()
        server.close()

    def between(self, link: Link) -> tuple[Callable[[bytes], None], Callable[[bytes], None]]:
        """Return the functions that take each piece from the client, and from the server. A subclass
        may look inside.
        """
        return link.server.sendall, link.client.sendall

    def _pump(self, link: Link, source: socket.socket, out: Callable[[bytes], None]) -> None:
        try:
            while piece := source.recv(_PIECE):
                self._flowing.wait()
                if self.delay_s and source is link.server:
                    threading.Event().wait(self.delay_s)
                if link.is_cut:
                    break
                out(piece)
        except OSError:
            pass
        finally:
            link.cut()

"""Reads the URL of a MariaDB source: `mariadb://user:password@host:3306/database?sslmode=verify-full`."""

import dataclasses
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

_PORT = 3306
SSL_MODES = ("prefer", "disable", "require", "verify-ca", "verify-full")
"""Named as in libpq; the first one is the default."""
_FILES = ("sslrootcert", "sslcert", "sslkey")
_ADDRESSES = "hostaddr"


@dataclass(frozen=True, slots=True)
class MariaDbUrl:
    """The parts of a URL. Secret: do not show it."""

    host: str
    port: int
    user: str
    password: str
    database: str
    sslmode: str = SSL_MODES[0]
    sslrootcert: str = ""
    sslcert: str = ""
    sslkey: str = ""
    addresses: tuple[str, ...] = ()
    """The addresses of the host, if they are known already; certificates are checked against its name all the same."""

    @classmethod
    def of(cls, url: str) -> "MariaDbUrl":
        """Read the URL. Raises ValueError, which never shows it."""
        try:
            parts = urlsplit(url)
            host, port = parts.hostname, parts.port
        except ValueError:
            raise ValueError("its host or port cannot be read") from None
        options = dict(parse_qsl(parts.query, keep_blank_values=True))
        if unknown := sorted(set(options) - {"sslmode", _ADDRESSES, *_FILES}):
            raise ValueError(f"{unknown[0]} is not an option: there are sslmode, {', '.join(_FILES)} and {_ADDRESSES}")
        mode = options.get("sslmode", SSL_MODES[0])
        if mode not in SSL_MODES:
            raise ValueError(f"sslmode is one of {', '.join(SSL_MODES)}")
        if not host or not parts.username or not parts.path.strip("/"):
            raise ValueError("write mariadb://user:password@host:3306/database")
        addresses = tuple(filter(None, options.get(_ADDRESSES, "").split(",")))
        return cls(
            host, port or _PORT, unquote(parts.username), unquote(parts.password or ""), unquote(parts.path[1:]), mode,
            options.get("sslrootcert", ""), options.get("sslcert", ""), options.get("sslkey", ""), addresses,
        )  # fmt: skip

    @property
    def files(self) -> Sequence[str]:
        """The files of certificates and keys."""
        return [path for path in (self.sslrootcert, self.sslcert, self.sslkey) if path]

    def looked_up(self) -> "MariaDbUrl":
        """Return the same with the addresses of its host. A host that is not found stays as it is."""
        if self.addresses:
            return self
        try:
            found = socket.getaddrinfo(self.host, None, type=socket.SOCK_STREAM)
        except OSError:
            return self
        return dataclasses.replace(self, addresses=tuple(dict.fromkeys(str(one[4][0]) for one in found)))

    def __str__(self) -> str:
        """Return the URL, including the password."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        options = {"sslmode": self.sslmode, **{name: getattr(self, name) for name in _FILES}}
        options[_ADDRESSES] = ",".join(self.addresses)
        who = f"{quote(self.user, safe='')}:{quote(self.password, safe='')}"
        shown = urlencode({name: value for name, value in options.items() if value})
        return f"mariadb://{who}@{host}:{self.port}/{quote(self.database, safe='')}?{shown}"

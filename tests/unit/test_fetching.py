"""How an API reaches an issuer behind a company's proxy, or with a certificate of a private authority."""

import base64
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.api.auth.fetching import CannotFetch, fetch
from tests.support.certificates import self_signed
from tests.support.http_server import LoopbackServer, QuietHandler


class Proxy(LoopbackServer):
    """Lets nobody through, and remembers what was said."""

    def __init__(self) -> None:
        self.said: list[tuple[str, str | None]] = []
        proxy = self

        class Handler(QuietHandler):
            def do_CONNECT(self) -> None:
                proxy.said.append((self.path, self.headers["Proxy-Authorization"]))
                self.answer(407)

        super().__init__(Handler)


@pytest.fixture
def proxy(monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    for name in ("https_proxy", "HTTPS_PROXY", "no_proxy", "NO_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with Proxy() as running:
        yield running


@pytest.mark.parametrize(
    ("who", "told"),
    [("", None), ("ann:p%40ss@", f"Basic {base64.b64encode(b'ann:p@ss').decode()}"), ("ann@", "Basic YW5uOg==")],
)
def test_a_proxy_is_told_who_asks(who: str, told: str | None, proxy: Proxy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", proxy.url.replace("//", f"//{who}"))
    with pytest.raises(CannotFetch, match="407") as refused:
        fetch("https://issuer.example/keys")
    assert proxy.said == [("issuer.example:443", told)]
    assert "p@ss" not in str(refused.value)


def test_an_authority_of_ones_own_is_trusted(proxy: Proxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    certificate, key = self_signed(tmp_path, "127.0.0.1")

    class Keys(QuietHandler):
        def do_GET(self) -> None:
            self.answer(200, b'{"keys": []}', {"Content-Type": "application/json"})

    with LoopbackServer(Keys, tls=(certificate, key)) as issuer:
        with pytest.raises(CannotFetch, match="CERTIFICATE_VERIFY_FAILED"):
            fetch(f"{issuer.url}/keys")
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        assert fetch(f"{issuer.url}/keys").content == {"keys": []}

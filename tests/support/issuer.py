"""A token issuer on a socket: it rotates its keys, signs people in, and misbehaves on demand."""

import base64
import hashlib
import hmac
import json
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from joserfc import jws
from joserfc.jwk import ECKey, Key, OKPKey, RSAKey

from tests.support.http_server import LoopbackServer, QuietHandler


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


_MADE: dict[str, Key] = {}


def a_key(kid: str, algorithm: str = "RS256") -> Key:
    """Return the key with that id, the same one throughout the run: RSA keys take long to generate."""
    if kid not in _MADE:
        about: Any = {"kid": kid, "use": "sig", "alg": algorithm}
        if algorithm.startswith(("RS", "PS")):
            _MADE[kid] = RSAKey.generate_key(2048, about)
        elif algorithm.startswith("ES"):
            _MADE[kid] = ECKey.generate_key("P-256", about)
        else:
            _MADE[kid] = OKPKey.generate_key("Ed25519", about)
    return _MADE[kid]


class Issuer(LoopbackServer):
    """Serves `/.well-known/openid-configuration` and `/keys`, and counts requests for them."""

    def __init__(self) -> None:
        self.keys: list[Key] = [a_key("first")]
        self.asked: list[str] = []
        self.headers: dict[str, str] = {}
        self.lies: dict[str, Callable[[QuietHandler], None]] = {}
        """Path → the function that answers instead."""
        self.codes: dict[str, dict[str, str]] = {}
        """Code → the parameters of the browser that got it; a code works once."""
        self.id_claims: dict[str, Any] = {}
        """Claims that ID tokens have in addition or instead."""
        self.hung = threading.Event()
        """Ends every hanging answer."""
        issuer = self

        class Handler(QuietHandler):
            def do_GET(self) -> None:
                issuer.answer(self)

            def do_POST(self) -> None:
                issuer.exchange(self)

        super().__init__(Handler)

    def answer(self, handler: QuietHandler) -> None:
        """Answer a request as a correct issuer does, or as a lie demands."""
        self.asked.append(handler.path)
        if (lie := self.lies.get(handler.path)) is not None:
            lie(handler)
        elif handler.path == "/.well-known/openid-configuration":
            places = {"authorization_endpoint": f"{self.url}/authorize", "token_endpoint": f"{self.url}/token"}
            self.say(handler, {"issuer": self.url, "jwks_uri": f"{self.url}/keys", **places})
        elif handler.path == "/keys":
            self.say(handler, {"keys": [key.as_dict(private=False) for key in self.keys]})
        else:
            handler.answer(404)

    def signs_in(self, address: str, **claims: Any) -> dict[str, str]:
        """Sign somebody in at the authorization endpoint. Returns what the browser is sent back with."""
        asked = dict(parse_qsl(urlsplit(address).query))
        code = f"code-{len(self.codes)}-{asked['state'][:8]}"
        self.codes[code] = asked
        self.id_claims = claims
        return {"code": code, "state": asked["state"], "iss": self.url}

    def exchange(self, handler: QuietHandler) -> None:
        """The token endpoint: exchanges a code for tokens, once, for the client with the verifier of its challenge."""
        form = dict(parse_qsl(handler.body().decode()))
        self.asked.append(handler.path)
        asked = self.codes.pop(form.get("code", ""), None)
        challenge = _text(hashlib.sha256(form.get("code_verifier", "").encode()).digest())
        good = (
            asked is not None
            and asked["code_challenge"] == challenge
            and form.get("redirect_uri") == asked["redirect_uri"]
            and form.get("client_id") == asked["client_id"]
        )
        if not good or asked is None:
            handler.answer(400, b'{"error": "invalid_grant"}', {"Content-Type": "application/json"})
            return
        said = {"aud": asked["client_id"], "nonce": asked["nonce"], "scope": "admin:read", "groups": ["report-users"]}
        id_token = self.token(header={"typ": "JWT"}, **{**said, **self.id_claims})
        self.say(handler, {"token_type": "Bearer", "access_token": "opaque", "id_token": id_token})

    def say(self, handler: QuietHandler, content: object) -> None:
        """Answer with that JSON."""
        handler.answer(200, json.dumps(content).encode(), {"Content-Type": "application/json", **self.headers})

    def claims(self, **changes: Any) -> dict[str, Any]:
        """Return the claims of a valid token; None leaves a claim out."""
        now = int(time.time())
        claims = {
            "iss": self.url, "sub": "ann", "aud": "todoke", "tenant": "acme", "scope": "jobs:create jobs:read",
            "iat": now, "exp": now + 300, **changes,
        }  # fmt: skip
        return {name: value for name, value in claims.items() if value is not None}

    def token(
        self,
        key: Key | None = None,
        algorithm: str = "RS256",
        header: Mapping[str, Any] | None = None,
        **changes: Any,
    ) -> str:
        """Return a token with these claims, signed by the newest key or another."""
        key = key or self.keys[-1]
        about = {"alg": algorithm, "typ": "at+jwt", "kid": key.kid, **(header or {})}
        about = {name: value for name, value in about.items() if value is not None}
        registry = jws.JWSRegistry(algorithms=[algorithm], strict_check_header=False)
        return jws.serialize_compact(about, json.dumps(self.claims(**changes)), key, registry=registry)

    def unsigned(self, algorithm: str = "none", **changes: Any) -> str:
        """Return an unsigned token."""
        return self.forged({"alg": algorithm, "typ": "at+jwt", "kid": "first"}, **changes)

    def forged(self, header: Mapping[str, Any], **changes: Any) -> str:
        """Return a token with that header, and an invalid signature."""
        return ".".join(_text(json.dumps(part).encode()) for part in (header, self.claims(**changes))) + ".eA"

    def signed_with_the_public_key(self) -> str:
        """The old trick: HS256 with the public key, which everyone has, as the shared secret."""
        key = self.keys[-1]
        assert isinstance(key, RSAKey)
        body, _, _ = self.unsigned("HS256").rpartition(".")
        return f"{body}.{_text(hmac.digest(key.as_pem(private=False), body.encode(), 'sha256'))}"

    def file(self, folder: Path, **fields: Any) -> Path:
        """Write an API_OIDC_PATH file that trusts this issuer."""
        about = {"issuer": self.url, "audiences": ["todoke"], "tenant_claim": "tenant", **fields}
        lines = [f"{name} = {json.dumps(value)}" for name, value in about.items() if not isinstance(value, dict)]
        for name, value in about.items():
            if isinstance(value, dict):
                lines += [f"[issuers.corp.{name}]", *(f"{json.dumps(k)} = {json.dumps(v)}" for k, v in value.items())]
        path = folder / "issuers.toml"
        path.write_text("\n".join(["[issuers.corp]", *lines]))
        return path

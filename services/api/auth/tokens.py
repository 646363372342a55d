"""Finds the principal of an OpenID Connect bearer token (RFC 9068, RFC 8725)."""

import base64
import binascii
import hashlib
import hmac
import json
import math
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, NamedTuple

from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import Key

from services.api.auth.issuer_keys import IssuerKeys
from services.api.auth.issuers import Issuer
from services.api.auth.principal import Principal
from services.api.auth.remembered import Remembered
from shared.access.key_text import TOKENS
from shared.access.scopes import OF_ALL_TENANTS, scope_problem
from shared.access.tenants import tenant_problem
from shared.errors import TodokeError

_MOST_BYTES = 8_192
"""A token has a few hundred bytes; a longer one is not even parsed."""
_REMEMBER_S = 60.0
"""Seconds for which a verified token is trusted without another look, but never beyond its expiry."""
_LONGEST_SUBJECT = 255
_MOST_SCOPES = 200
# With these headers a token would bring its own key, or demand rules that are not implemented here.
_REFUSED = ("crit", "jku", "jwk", "x5u", "x5c", "b64")


class WrongToken(TodokeError):
    """The token is not accepted. The message says why, and quotes nothing of it."""


class NoTenant(TodokeError):
    """The token is valid, but does not say which tenant it belongs to."""

    def __init__(self, claim: str, wrong: str = "is missing") -> None:
        super().__init__(f"The token's tenant claim {claim!r} {wrong}.")


class _Parts(NamedTuple):
    header: Mapping[str, Any]
    claims: Mapping[str, Any]
    """Trusted only after the signature is verified."""


class Tokens:
    """Verifies tokens, and caches the good ones for a short time, by their hashes."""

    def __init__(
        self,
        issuers: Mapping[str, Issuer],
        *,
        keys: Callable[[Issuer], IssuerKeys] = IssuerKeys,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._issuers = {iss: (issuer, keys(issuer)) for iss, issuer in issuers.items()}
        self._now = now
        self._known: Remembered[Principal] = Remembered(clock)

    @property
    def issuers(self) -> Collection[Issuer]:
        """The issuers whose tokens are verified."""
        return [issuer for issuer, _ in self._issuers.values()]

    def remembered(self, token: str) -> Principal | None:
        """Return the principal of a token that was verified a moment ago."""
        return self._known.get(_digest(token))

    async def principal_of(self, token: str) -> Principal:
        """Return the principal that the token names. Raises WrongToken, NoTenant and IssuerAway."""
        parts = _parse(token)
        iss = parts.claims.get("iss")
        issuer, keys = self._issuers.get(iss, (None, None)) if isinstance(iss, str) else (None, None)
        if issuer is None or keys is None:
            raise WrongToken("comes from an issuer that is not known here")
        algorithm = _header(parts.header, issuer)
        key = await keys.find(parts.header.get("kid"), algorithm)
        if key is None:
            raise WrongToken("is signed with a key that its issuer does not have")
        _check_signature(token, key, algorithm)
        left_s = _check_claims(parts.claims, issuer, self._now())
        principal = _principal(parts.claims, issuer)
        self._known.put(_digest(token), principal, min(_REMEMBER_S, left_s))
        return principal

    async def signed_in(self, id_token: str, iss: str, *, client_id: str, nonce: str, access_token: str) -> Principal:
        """Return the principal that an ID token of that issuer names, if the token was issued for this very sign-in.

        Its claims have the same meaning as in the issuer's other tokens. Raises WrongToken, NoTenant and IssuerAway.
        """
        parts = _parse(id_token)
        issuer, keys = self._issuers[iss]
        if parts.claims.get("iss") != iss:
            raise WrongToken("comes from another issuer than was asked")
        # The same rules, except that it is an ID token, and for the client that requested it.
        asked = issuer.model_copy(
            update={
                "types": ("JWT", ""),
                "audience_claim": "aud",
                "audiences": [client_id],
                "clients": (),
                "required": {},
            }
        )
        algorithm = _header(parts.header, asked)
        key = await keys.find(parts.header.get("kid"), algorithm)
        if key is None:
            raise WrongToken("is signed with a key that its issuer does not have")
        _check_signature(id_token, key, algorithm)
        several = isinstance(parts.claims.get("aud"), list) and len(parts.claims["aud"]) > 1
        if several or "azp" in parts.claims:
            asked = asked.model_copy(update={"clients": (client_id,)})
        _check_claims(parts.claims, asked, self._now())
        if not _same(parts.claims.get("nonce"), nonce):
            raise WrongToken("was made for another sign-in (`nonce`)")
        half = parts.claims.get("at_hash")
        if half is not None and not _same(half, _half_hash(access_token, algorithm)):
            raise WrongToken("belongs to another access token (`at_hash`)")
        return _principal(parts.claims, issuer)

    async def close(self) -> None:
        """Stop fetching keys."""
        for _, keys in self._issuers.values():
            await keys.close()


def _same(given: object, expected: str) -> bool:
    return isinstance(given, str) and hmac.compare_digest(given.encode("utf-8", "replace"), expected.encode())


def _half_hash(token: str, algorithm: str) -> str:
    """Return the left half of the hash of the signature's algorithm (OpenID Connect Core, 3.1.3.6)."""
    name = {"256": "sha256", "384": "sha384"}.get(algorithm[-3:], "sha512")
    digest = hashlib.new(name, token.encode("utf-8", "replace")).digest()
    return base64.urlsafe_b64encode(digest[: len(digest) // 2]).decode().rstrip("=")


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()


def _parse(token: str) -> _Parts:
    if len(token) > _MOST_BYTES:
        raise WrongToken(f"has more than {_MOST_BYTES} bytes")
    pieces = token.split(".")
    if len(pieces) != 3 or not all(pieces):
        raise WrongToken("is neither an API key nor a signed JSON Web Token")
    return _Parts(_object(pieces[0]), _object(pieces[1]))


def _object(piece: str) -> Mapping[str, Any]:
    try:
        content = json.loads(base64.b64decode(piece + "=" * (-len(piece) % 4), altchars=b"-_", validate=True))
    except (ValueError, binascii.Error, RecursionError):
        content = None
    if not isinstance(content, dict):
        raise WrongToken("is not a JSON Web Token")
    return content


def _header(header: Mapping[str, Any], issuer: Issuer) -> str:
    """Return the algorithm, if this issuer may write such a header."""
    if refused := [name for name in _REFUSED if name in header]:
        raise WrongToken(f"has {refused[0]!r} in its header, which is not taken from tokens")
    algorithm = header.get("alg")
    if algorithm not in issuer.algorithms:
        raise WrongToken("is signed by an algorithm that is not allowed for its issuer")
    kid = header.get("kid")
    if kid is not None and (not isinstance(kid, str) or len(kid) > _LONGEST_SUBJECT):
        raise WrongToken("names its key in no way that is known here")
    kind = header.get("typ", "")
    kinds = {one.lower().removeprefix("application/") for one in issuer.types}
    if not isinstance(kind, str) or kind.lower().removeprefix("application/") not in kinds:
        raise WrongToken("is of another type (`typ`) than the access tokens of its issuer")
    return str(algorithm)


def _check_signature(token: str, key: Key, algorithm: str) -> None:
    registry = jws.JWSRegistry(algorithms=[algorithm], strict_check_header=False)
    try:
        jws.deserialize_compact(token, key, registry=registry)
    except (JoseError, ValueError, TypeError):
        raise WrongToken("has a wrong signature") from None


def _check_claims(claims: Mapping[str, Any], issuer: Issuer, now: float) -> float:
    """Return the seconds for which the token is still valid."""
    expires = _moment(claims, "exp")
    if expires is None:
        raise WrongToken("has no end (`exp`)")
    issued = _moment(claims, "iat")
    ends = expires if issued is None else min(expires, issued + issuer.max_age_s)
    if now >= ends + issuer.skew_s:
        raise WrongToken("is over: get a new one")
    if any(at is not None and at > now + issuer.skew_s for at in (_moment(claims, "nbf"), issued)):
        raise WrongToken("is not valid yet: compare the clocks")
    audiences = claims.get(issuer.audience_claim)
    listed = audiences if isinstance(audiences, list) else [audiences]
    if not any(isinstance(one, str) and one in issuer.audiences for one in listed):
        raise WrongToken("is meant for somebody else (its audience)")
    client = claims.get("azp", claims.get("client_id"))
    if issuer.clients and client not in issuer.clients:
        raise WrongToken("was given to a client that is not known here (`azp`)")
    if len(listed) > 1 and not issuer.clients:
        raise WrongToken("is meant for several: an operator must say for which `clients`")
    if any(claims.get(name) != value for name, value in issuer.required.items()):
        raise WrongToken("lacks a claim that is required of its issuer's tokens")
    return ends - now


def _moment(claims: Mapping[str, Any], name: str) -> float | None:
    at = claims.get(name)
    if at is None:
        return None
    if isinstance(at, bool) or not isinstance(at, int | float) or not math.isfinite(at):
        raise WrongToken(f"has a {name!r} that is not a moment")
    return float(at)


def _principal(claims: Mapping[str, Any], issuer: Issuer) -> Principal:
    subject = claims.get("sub")
    if not isinstance(subject, str) or not subject.isprintable() or not 1 <= len(subject) <= _LONGEST_SUBJECT:
        raise WrongToken("does not say whom it is about (`sub`)")
    return Principal(_tenant(claims, issuer), f"{TOKENS}{issuer.name}:{subject}", _scopes(claims, issuer))


def _tenant(claims: Mapping[str, Any], issuer: Issuer) -> str:
    if issuer.tenant_claim is None:
        return issuer.tenant or ""
    tenant = claims.get(issuer.tenant_claim)
    if tenant is None:
        raise NoTenant(issuer.tenant_claim)
    if not isinstance(tenant, str):
        raise NoTenant(issuer.tenant_claim, "is not a text")
    if wrong := tenant_problem(tenant):
        raise NoTenant(issuer.tenant_claim, wrong)
    return tenant


def _scopes(claims: Mapping[str, Any], issuer: Issuer) -> frozenset[str]:
    """Return the scopes that the claims and their roles stand for, ignoring any that are not scopes of ours."""
    said = [scope for claim in issuer.scope_claims for scope in _texts(claims.get(claim))]
    own = [scope.removeprefix(issuer.scope_prefix) for scope in said if scope.startswith(issuer.scope_prefix)]
    for role in _texts(claims.get(issuer.role_claim)):
        own += issuer.roles.get(role, ())
    found = frozenset(scope for scope in own[:_MOST_SCOPES] if scope_problem(scope) is None)
    return found if issuer.operators else found - OF_ALL_TENANTS


def _texts(claim: object) -> Sequence[str]:
    """Return the texts of a list, or of one text that separates them by spaces."""
    if isinstance(claim, str):
        return claim.split()
    return [one for one in claim if isinstance(one, str)] if isinstance(claim, list) else ()

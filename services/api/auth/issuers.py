"""Which issuers of tokens are trusted, and what their claims mean: the file that API_OIDC_PATH names."""

import re
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from services.api.networks import is_loopback
from shared.access.scopes import OF_ALL_TENANTS, scope_problem
from shared.access.tenants import tenant_problem
from shared.errors import TodokeError

Algorithm = Literal["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "Ed25519", "EdDSA"]
"""Signatures with a private key only: with a shared secret, anyone who can verify a token could also make one."""
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}")


class WrongIssuers(TodokeError):
    """The file does not define the trusted issuers. The message names each mistake."""


class Login(BaseModel):
    """How people sign in to the console with an issuer: authorization code with PKCE (RFC 6749, RFC 7636)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    client_id: str = Field(min_length=1, max_length=300)
    redirect_url: str
    """Where the issuer sends the browser back to, exactly as registered there. It ends with /console/signed-in."""
    title: str = ""
    """The label of the button; the issuer's name if it is empty."""
    client_secret_path: Path | None = None
    """A file with the client's secret, read for each use; None for a public client."""
    scopes: Sequence[str] = ("openid",)

    @field_validator("redirect_url")
    @classmethod
    def _is_ours(cls, value: str) -> str:
        if wrong := url_problem(value):
            raise ValueError(wrong)
        if not value.endswith("/console/signed-in"):
            raise ValueError("must end with /console/signed-in: the page that the console has for it")
        return value


class Issuer(BaseModel):
    """An issuer of tokens."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    """Part of the subjects of its tokens, `oidc:<name>:<sub>`, so that two issuers never name the same person."""
    issuer: str
    """The value of `iss`, exactly."""
    audiences: Sequence[str] = Field(min_length=1)
    """The token's `audience_claim` must contain one of them."""
    audience_claim: str = "aud"
    clients: Sequence[str] = ()
    """If given, `azp` or `client_id` must be one of them. Needed where a token has several audiences."""
    algorithms: Sequence[Algorithm] = Field(("RS256", "PS256", "ES256", "EdDSA"), min_length=1)
    types: Sequence[str] = Field(("at+jwt",), min_length=1)
    """Allowed values of the header's `typ`, so that an ID token does not open the API; an empty one allows a token
    without `typ`."""
    jwks_url: str | None = None
    """Where its keys are; None takes the address from its discovery document."""
    tenant: str | None = None
    """The tenant of all its tokens, instead of `tenant_claim`."""
    tenant_claim: str | None = None
    scope_claims: Sequence[str] = ("scope", "scp")
    scope_prefix: str = ""
    """If given, only scopes with this prefix count, and the prefix is removed."""
    role_claim: str = "roles"
    roles: Mapping[str, Sequence[str]] = Field(default_factory=dict)
    """Role → the scopes that it stands for."""
    operators: bool = False
    """True if its tokens may have the scopes `admin:…`. These cover all tenants, so a tenant's own issuer must not
    grant them."""
    required: Mapping[str, str | int | bool] = Field(default_factory=dict)
    """Claims that must have exactly these values."""
    login: Login | None = None
    """How people sign in to the console with it; None if its tokens only open the API."""
    skew_s: int = Field(60, ge=0, le=300)
    max_age_s: int = Field(86_400, ge=60, le=7 * 86_400)
    """A token that was issued longer ago has expired, whatever its own claims say."""

    @field_validator("issuer", "jwks_url")
    @classmethod
    def _is_safe_to_ask(cls, value: str | None) -> str | None:
        if value is not None and (wrong := url_problem(value)):
            raise ValueError(wrong)
        return value

    @field_validator("tenant")
    @classmethod
    def _is_a_tenant(cls, value: str | None) -> str | None:
        if value is not None and (wrong := tenant_problem(value)):
            raise ValueError(wrong)
        return value

    @field_validator("roles")
    @classmethod
    def _are_scopes(cls, value: Mapping[str, Sequence[str]]) -> Mapping[str, Sequence[str]]:
        for role, scopes in value.items():
            for scope in scopes:
                if wrong := scope_problem(scope):
                    raise ValueError(f"{role}: {scope[:60]!r} {wrong}")
        return value

    @model_validator(mode="after")
    def _says_whose_its_tokens_are(self) -> "Issuer":
        if (self.tenant is None) == (self.tenant_claim is None):
            raise ValueError("needs `tenant_claim`, the claim that names the tenant, or `tenant`, whose all tokens are")
        return self

    @model_validator(mode="after")
    def _gives_no_more_than_it_may(self) -> "Issuer":
        given = {scope for scopes in self.roles.values() for scope in scopes}
        if not self.operators and (refused := sorted(given & OF_ALL_TENANTS)):
            raise ValueError(f"`roles` gives {', '.join(refused)}, about all tenants: that needs `operators = true`")
        return self


def url_problem(url: str) -> str | None:
    """Say why keys must not be fetched from this address; None if they may be."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        return "is not a URL"
    if parts.username is not None or parts.fragment or not host:
        return "must be a URL with a host, and without a user or a fragment"
    if parts.scheme == "https" or (parts.scheme == "http" and is_loopback(host)):
        return None
    return "must begin with https://: whoever changes keys on their way makes tokens"


def read_issuers(path: Path) -> Mapping[str, Issuer]:
    """`iss` → the issuer. Raises WrongIssuers."""
    try:
        content = tomllib.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise WrongIssuers(f"API_OIDC_PATH: {path} cannot be read: {error}") from None
    issuers, wrong = _issuers(content)
    urls = [issuer.issuer for issuer in issuers]
    twice = sorted({url for url in urls if urls.count(url) > 1})
    wrong += [f"{url} stands twice: tokens of one issuer have one meaning" for url in twice]
    if not issuers and not wrong:
        wrong = ["names no issuer: write a section such as [issuers.corp]"]
    if wrong:
        raise WrongIssuers("\n".join(f"API_OIDC_PATH: {path}: {one}" for one in wrong))
    return {issuer.issuer: issuer for issuer in issuers}


def _issuers(content: Mapping[str, Any]) -> tuple[list[Issuer], list[str]]:
    found: list[Issuer] = []
    wrong = [f"{name} is not known here: write [issuers.corp] and the like" for name in content if name != "issuers"]
    sections = content.get("issuers", {})
    if not isinstance(sections, dict):
        return [], [*wrong, "`issuers` must be a table: write sections such as [issuers.corp]"]
    for name, section in sections.items():
        if not _NAME.fullmatch(name) or not isinstance(section, dict):
            wrong.append(f"[issuers.{name[:60]}]: name it with lower-case letters, digits, `_` and `-`")
            continue
        try:
            found.append(Issuer.model_validate({"name": name, **section}))
        except ValidationError as error:
            wrong += [
                f"[issuers.{name}] {'.'.join(map(str, e['loc']))}: {e['msg'].removeprefix('Value error, ')}"
                for e in error.errors()
            ]
    return found, wrong

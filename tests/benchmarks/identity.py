"""Part of `make bench`: the cost of authentication, beside a constant answer: none, by key, by token."""

import asyncio
import statistics
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack

from sqlalchemy.engine import Engine

from services.api.auth.issuers import Issuer as Configured
from services.api.auth.keys import Keys
from services.api.auth.tokens import Tokens
from shared.access import api_keys
from shared.access.key_text import read_key
from shared.database.engine import create_engine
from tests.benchmarks.api import application, load, processor_s
from tests.benchmarks.parts import Figure, Stage
from tests.support.issuer import Issuer
from todoke import Todoke

TITLE = "Who asks: none, a key, a token, one API process"
_SECONDS, _CONNECTIONS = 2, 32
_LOOKS = 300


def run(stage: Stage) -> Iterator[Figure]:
    """In turns over three running applications; then each way of knowing somebody alone, in this process."""
    url = stage.database()
    engine = create_engine(url, application_name="bench")
    with ExitStack() as running, engine.connect() as conn:
        running.callback(engine.dispose)
        issuer = running.enter_context(Issuer())
        key = api_keys.create_key(conn, tenant="default", name="bench")
        token = issuer.token(tenant="default", exp=int(time.time()) + 3_600)
        path = str(issuer.file(stage.folder))
        headers = {"none": (), "key": (f"Authorization: Bearer {key}",), "token": (f"Authorization: Bearer {token}",)}
        bases = {
            "none": running.enter_context(application(url)),
            "key": running.enter_context(application(url, API_AUTH="keys")),
            "token": running.enter_context(application(url, API_AUTH="oidc", API_OIDC_PATH=path)),
        }
        yield from _rates(bases, headers, stage.rounds)
        yield from _alone(engine, issuer, key, token)


def _rates(bases: Mapping[str, str], headers: Mapping[str, Sequence[str]], rounds: int) -> Iterator[Figure]:
    asked: dict[tuple[str, str], tuple[str, Sequence[str]]] = {
        ("a constant", "none"): (f"{bases['none']}/constant", ())
    }
    for who, base in bases.items():
        job = _a_job(base, headers[who])
        asked["submit", who] = (f"{base}/generate-report", headers[who])
        asked["GET", who] = (f"{base}/v1/jobs/{job}", ("GET", *headers[who]))
    rates: dict[tuple[str, str], list[float]] = {name: [] for name in asked}
    costs: dict[tuple[str, str], list[float]] = {name: [] for name in asked}
    for _ in range(rounds):
        for name, (url, sent) in asked.items():
            before = processor_s(url)
            rate = load(url, _CONNECTIONS, *sent, seconds=_SECONDS)
            rates[name].append(rate)
            costs[name].append((processor_s(url) - before) / (rate * _SECONDS) * 1e6)
    constant = statistics.median(rates["a constant", "none"])
    for (what, who), found in rates.items():
        rate, cost = statistics.median(found), statistics.median(costs[what, who])
        yield Figure(f"{what}, {who}", rate, "requests/s")
        yield Figure(f"{what}, {who} ÷ a constant", rate / constant)
        yield Figure(f"{what}, {who}: processor time in the API", cost, "µs/request")


def _a_job(base: str, headers: Sequence[str]) -> str:
    key = next((header.partition("Bearer ")[2] for header in headers), "")
    with Todoke(base, key) as todoke:
        return todoke.jobs.create().id


def _alone(engine: Engine, issuer: Issuer, key: str, token: str) -> Iterator[Figure]:
    corp = Configured(name="corp", issuer=issuer.url, audiences=["todoke"], tenant_claim="tenant")
    fresh = [issuer.token(n=n) for n in range(_LOOKS)]

    async def look() -> dict[str, float]:
        keys, tokens = Keys(engine), Tokens({issuer.url: corp})
        await tokens.principal_of(token)
        await keys.principal_of(read_key(key))
        began = [time.perf_counter()]
        for _ in range(_LOOKS):
            await keys.principal_of(read_key(key))
        began.append(time.perf_counter())
        for _ in range(_LOOKS):
            tokens.remembered(token)
        began.append(time.perf_counter())
        for one in fresh:
            await tokens.principal_of(one)
        began.append(time.perf_counter())
        for _ in range(_LOOKS):
            await Keys(engine).principal_of(read_key(key))
        began.append(time.perf_counter())
        await tokens.close()
        names = (
            "a key that is remembered",
            "a token that is remembered",
            "a new token, RS256",
            "a key that is looked up",
        )
        spent = zip(names, began, began[1:], strict=False)
        return {name: (end - start) / _LOOKS * 1e6 for name, start, end in spent}

    for name, microseconds in asyncio.run(look()).items():
        yield Figure(f"alone: {name}", microseconds, "µs")

"""The API's parts, put together from its settings."""

from typing import Any

from sqlalchemy.engine import Engine
from sqlalchemy.ext.asyncio import AsyncEngine

from services.api import schedule_files
from services.api.actions.page_tokens import PageTokens
from services.api.actions.parts import Parts
from services.api.actions.submitter import KEY_WAIT, Submitter
from services.api.actions.within_caps import WithinCaps
from services.api.auth.access import Access
from services.api.auth.issuers import read_issuers
from services.api.auth.keys import Keys
from services.api.auth.logins import Logins
from services.api.auth.rate_limit import RateLimit
from services.api.auth.sessions import Sessions
from services.api.auth.shared_rate import SharedRate
from services.api.auth.tokens import Tokens
from services.api.auth.visitors import Visitors
from services.api.feed import Feed
from services.api.history import History
from services.api.places import StreamPlaces
from services.api.settings import ApiSettings
from services.api.shared_look import SharedLook
from services.api.tenant_feed import TenantFeed
from services.api.watch import Watcher
from shared.access.secret_keys import SecretKeys
from shared.artifacts.open import open_store
from shared.catalog.live import LiveCatalog
from shared.catalog.load import BUILTIN
from shared.database.async_engine import create_async_engine
from shared.database.engine import SESSION_BOUNDS, create_engine
from shared.database.reading import create_reading_engine
from shared.database.replication import watch_replication
from shared.database.statements import measure_statements
from shared.jobs.glance import glance
from shared.jobs.seen import seen
from shared.runtime.metrics.common import observe_statement


def assemble(settings: ApiSettings, *, follow_catalog: bool = False) -> Parts:
    """Open what the settings name. Raises TodokeError; connects to nothing yet.

    With `follow_catalog`, changes of the catalog's folder are taken up from now on; call it from the main thread then.
    """
    catalog = LiveCatalog(settings.catalog_path or BUILTIN, default=settings.default_report_type)
    store = open_store(
        settings.artifact_url,
        region=settings.aws_region,
        links_at=settings.download_endpoint_url,
        s3_without=settings.s3_without,
    )
    engine, reading, submitting, watching = _engines(settings)
    watcher = Watcher(watching)
    issuers = read_issuers(settings.oidc_path) if settings.oidc_path is not None else {}
    tokens = Tokens(issuers) if issuers else None
    parts = Parts(
        settings=settings,
        catalog=catalog,
        store=store,
        engine=engine,
        reading=reading,
        submitter=Submitter(submitting, ring_after_s=settings.ring_after_s),
        within_caps=WithinCaps(engine, ring_after_s=settings.ring_after_s),
        watcher=watcher,
        feed=Feed(watcher),
        glances=SharedLook(watcher, glance, most=128),
        # A job has up to 256 KB of parameters, and is read on the event loop.
        jobs=SharedLook(watcher, seen, most=32),
        tenant_feed=TenantFeed(watcher),
        stream_places=StreamPlaces(watcher, most_each=settings.streams_each),
        history=History(watcher),
        access=_access(settings, engine, tokens),
        sessions=Sessions(engine) if settings.auth != "none" else None,
        logins=None if tokens is None else Logins(issuers, tokens),
        page_tokens=PageTokens(engine),
        secret_keys=SecretKeys(settings.secrets_key_file),
        visitors=Visitors(),
    )
    if follow_catalog:
        catalog.follow()
        schedule_files.follow(parts, settings.catalog_path or BUILTIN)
    return parts


def _engines(settings: ApiSettings) -> tuple[Engine, Engine, AsyncEngine, AsyncEngine]:
    """Return four engines: for general use, for the console's pages, for submissions, and for waiting clients.

    The last two have one connection each.
    """
    url = settings.database_url_of_today
    options: dict[str, Any] = {"application_name": "todoke-api", "through_pooler": settings.through_pooler}
    engine = create_engine(url, pool_size=settings.pool_size - 2, **options)
    reading = create_reading_engine(
        url,
        application_name="todoke-console",
        pool_size=settings.console_pool_size,
        through_pooler=settings.through_pooler,
    )
    # Behind a pooler the role's own limit applies, which is twice as long.
    submitting = create_async_engine(url, bounds={**SESSION_BOUNDS, "lock_timeout": KEY_WAIT}, **options)
    watching = create_async_engine(url, **options)
    for each in (engine, reading, submitting.sync_engine, watching.sync_engine):
        measure_statements(each, observe_statement)
    watch_replication(engine)  # for requests that reuse jobs
    return engine, reading, submitting, watching


def _access(settings: ApiSettings, engine: Engine, tokens: Tokens | None) -> Access:
    rate, each = None, None
    if (per_s := settings.rate_limit) is not None:
        rate = SharedRate(RateLimit(per_s, settings.rate_burst), engine)
        if (share := settings.rate_share) < 1:
            each = SharedRate(RateLimit(per_s * share, max(1, int(settings.rate_burst * share))), engine)
    return Access(Keys(engine) if settings.takes_keys else None, rate, each=each, tokens=tokens)

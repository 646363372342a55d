"""The API's parts, put together from its settings."""

from typing import Any

from services.api.actions.page_tokens import PageTokens
from services.api.actions.parts import Parts
from services.api.actions.submitter import Submitter
from services.api.auth.access import Access
from services.api.auth.issuers import read_issuers
from services.api.auth.keys import Keys
from services.api.auth.rate_limit import RateLimit
from services.api.auth.sessions import Sessions
from services.api.auth.tokens import Tokens
from services.api.feed import Feed
from services.api.history import History
from services.api.places import StreamPlaces
from services.api.settings import ApiSettings
from services.api.tenant_feed import TenantFeed
from services.api.watch import Watcher
from shared.artifacts.open import open_store
from shared.catalog.live import LiveCatalog
from shared.catalog.load import BUILTIN
from shared.database.async_engine import create_async_engine
from shared.database.engine import create_engine
from shared.database.replication import watch_replication
from shared.database.statements import measure_statements
from shared.runtime.metrics.common import observe_statement


def assemble(settings: ApiSettings, *, follow_catalog: bool = False) -> Parts:
    """Open what the settings name. Raises TodokeError; connects to nothing yet.

    With `follow_catalog` changes of the catalog's folder are taken up from now on; for the main thread.
    """
    catalog = LiveCatalog(settings.catalog_path or BUILTIN, default=settings.default_report_type)
    store = open_store(
        settings.artifact_url,
        region=settings.aws_region,
        links_at=settings.download_endpoint_url,
        s3_without=settings.s3_without,
    )
    url = settings.database_url_of_today
    options: dict[str, Any] = {"application_name": "todoke-api", "through_pooler": settings.through_pooler}
    # All submissions share one connection, and all who wait another; the others are for everything else.
    engine = create_engine(url, pool_size=settings.pool_size - 2, **options)
    submitting, watching = (create_async_engine(url, pool_size=1, **options) for _ in range(2))
    for each in (engine, submitting.sync_engine, watching.sync_engine):
        measure_statements(each, observe_statement)
    watch_replication(engine)  # for who reuses jobs
    watcher = Watcher(watching)
    if follow_catalog:
        catalog.follow()
    return Parts(
        settings=settings,
        catalog=catalog,
        store=store,
        engine=engine,
        submitter=Submitter(submitting, ring_after_s=settings.ring_after_s),
        watcher=watcher,
        feed=Feed(watcher),
        tenant_feed=TenantFeed(watcher),
        stream_places=StreamPlaces(watcher, most_each=settings.streams_each),
        history=History(watcher),
        access=Access(
            Keys(engine) if settings.takes_keys else None,
            None if settings.rate_limit is None else RateLimit(settings.rate_limit, settings.rate_burst),
            tokens=Tokens(read_issuers(settings.oidc_path)) if settings.oidc_path is not None else None,
        ),
        sessions=Sessions(engine) if settings.auth != "none" else None,
        page_tokens=PageTokens(),
    )

"""The API's parts, made from its settings."""

from dataclasses import dataclass
from typing import Any

from fastapi import FastAPI
from sqlalchemy.engine import Engine
from sqlalchemy.ext.asyncio import AsyncEngine

from services.api.app import create_app
from services.api.settings import ApiSettings
from shared.artifacts.interface import ArtifactStore
from shared.artifacts.open import open_store
from shared.catalog.live import LiveCatalog
from shared.catalog.load import BUILTIN
from shared.database.async_engine import create_async_engine
from shared.database.engine import create_engine
from shared.database.statements import measure_statements
from shared.runtime.metrics.common import observe_statement


@dataclass(frozen=True, slots=True)
class Build:
    """Everything an API process stands on."""

    settings: ApiSettings
    catalog: LiveCatalog
    store: ArtifactStore
    engine: Engine
    submitting: AsyncEngine

    def app(self) -> FastAPI:
        """The application, whose catalog is followed from now on. For the main thread."""
        self.catalog.follow()
        return create_app(
            self.settings, engine=self.engine, submitting=self.submitting, catalog=self.catalog, store=self.store
        )


def build(settings: ApiSettings) -> Build:
    """Open what the settings name. Raises TodokeError; connects to nothing yet."""
    catalog = LiveCatalog(settings.catalog_path or BUILTIN, default=settings.default_report_type)
    store = open_store(settings.artifact_url, region=settings.aws_region, links_at=settings.download_endpoint_url)
    url = settings.database_url.get_secret_value()
    options: dict[str, Any] = {"application_name": "todoke-api", "through_pooler": settings.through_pooler}
    # All submissions share one connection; the others are for everything else.
    engine = create_engine(url, pool_size=settings.pool_size - 1, **options)
    submitting = create_async_engine(url, pool_size=1, **options)
    for each in (engine, submitting.sync_engine):
        measure_statements(each, observe_statement)
    return Build(settings, catalog, store, engine, submitting)

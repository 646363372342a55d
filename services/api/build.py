"""The API's parts, made from its settings."""

from dataclasses import dataclass

from fastapi import FastAPI
from sqlalchemy.engine import Engine

from services.api.app import create_app
from services.api.settings import ApiSettings
from shared import database
from shared.artifacts.interface import ArtifactStore
from shared.artifacts.open import open_store
from shared.catalog.live import LiveCatalog
from shared.catalog.load import BUILTIN
from shared.metrics.common import observe_statement


@dataclass(frozen=True, slots=True)
class Build:
    """Everything an API process stands on."""

    settings: ApiSettings
    catalog: LiveCatalog
    store: ArtifactStore
    engine: Engine

    def app(self) -> FastAPI:
        """The application, whose catalog is followed from now on. For the main thread."""
        self.catalog.follow()
        return create_app(self.settings, engine=self.engine, catalog=self.catalog, store=self.store)


def build(settings: ApiSettings) -> Build:
    """Open what the settings name. Raises TodokeError; connects to nothing yet."""
    catalog = LiveCatalog(settings.catalog_path or BUILTIN, default=settings.default_report_type)
    store = open_store(settings.artifact_url, region=settings.aws_region, links_at=settings.download_endpoint_url)
    engine = database.create_engine(
        settings.database_url.get_secret_value(),
        application_name="todoke-api",
        pool_size=settings.pool_size,
        through_pooler=settings.through_pooler,
    )
    database.measure_statements(engine, observe_statement)
    return Build(settings, catalog, store, engine)

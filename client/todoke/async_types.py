"""`AsyncTodoke.types`: the methods of `Todoke.types`, without blocking."""

from collections.abc import Mapping
from typing import Any

from todoke._core import types
from todoke._core.config import Config
from todoke._core.steps import AsyncRun
from todoke.report_types import Choices, ReportType, ReportTypes


class AsyncTypes:
    """Report types. Every method raises ApiError and ConnectionFailed."""

    def __init__(self, config: Config, run: AsyncRun) -> None:
        self._config = config
        self._run = run

    async def list(self) -> ReportTypes:
        """Return every report type that the key may request."""
        return await self._run(types.list_types(self._config))

    async def get(self, name: str) -> ReportType:
        """Return one report type."""
        return await self._run(types.get_type(self._config, name))

    async def choices(
        self, name: str, parameter: str, given: Mapping[str, Any] | None = None, *, time_zone: str | None = None
    ) -> Choices:
        """Return the values that a parameter may have, given the values of the parameters that it depends on."""
        return await self._run(types.choices(self._config, name, parameter, given, time_zone))

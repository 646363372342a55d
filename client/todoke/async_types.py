"""`AsyncTodoke.types`: the methods of `Todoke.types`, without blocking."""

from todoke._core import types
from todoke._core.config import Config
from todoke._core.steps import AsyncRun
from todoke.report_types import ReportType, ReportTypes


class AsyncTypes:
    """Report types. Every method raises ApiError and ConnectionFailed."""

    def __init__(self, config: Config, run: AsyncRun) -> None:
        self._config = config
        self._run = run

    async def list(self) -> ReportTypes:
        """Every report type that the key may ask for."""
        return await self._run(types.list_types(self._config))

    async def get(self, name: str) -> ReportType:
        """One report type."""
        return await self._run(types.get_type(self._config, name))

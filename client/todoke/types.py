"""`Todoke.types`: what can be asked for."""

from todoke._core import types
from todoke._core.config import Config
from todoke._core.steps import Run
from todoke.report_types import ReportType, ReportTypes


class Types:
    """Report types. Every method raises ApiError and ConnectionFailed."""

    def __init__(self, config: Config, run: Run) -> None:
        self._config = config
        self._run = run

    def list(self) -> ReportTypes:
        """Every report type that the key may ask for."""
        return self._run(types.list_types(self._config))

    def get(self, name: str) -> ReportType:
        """One report type."""
        return self._run(types.get_type(self._config, name))

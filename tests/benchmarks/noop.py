"""A report of no work: only the service's own cost remains."""

from collections.abc import Mapping
from typing import ClassVar

from pydantic import BaseModel

from shared.catalog.asker import Asker
from shared.catalog.model import Catalog
from shared.catalog.python_report import inline_report_type

NAME = "noop"


class Nothing(BaseModel):
    """No parameters."""


class Noop:
    """Answers at once, in the worker's own process."""

    title: ClassVar = "Nothing"
    description: ClassVar = "Answers at once."
    version: ClassVar = "1"
    Parameters: ClassVar[type[BaseModel]] = Nothing

    def answer(self, _parameters: Nothing, _asker: Asker) -> Mapping[str, object]:
        """The same always."""
        return {"done": True}


CATALOG = Catalog({NAME: inline_report_type(NAME, Noop())}, NAME)

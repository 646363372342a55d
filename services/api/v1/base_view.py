"""The base of every part of an answer."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, PlainSerializer
from pydantic.alias_generators import to_camel

from shared.stored import made_of

Time = Annotated[datetime, PlainSerializer(datetime.isoformat, when_used="json")]
"""A moment with its offset as `+00:00`, where pydantic would write `Z`."""


class View(BaseModel):
    """A part of an answer: named in camel case on the wire, with described fields only."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="forbid")

    @classmethod
    def of_stored(cls, fields: Mapping[str, Any]) -> Self:
        """The view of an object that is stored as JSON, without what only a newer release has written into it."""
        names = {one for name, field in cls.model_fields.items() for one in (name, field.alias)}
        return made_of(cls, names, fields)

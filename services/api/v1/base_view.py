"""The base of every part of an answer."""

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, PlainSerializer
from pydantic.alias_generators import to_camel

Time = Annotated[datetime, PlainSerializer(datetime.isoformat, when_used="json")]
"""A moment with its offset as `+00:00`, where pydantic would write `Z`."""


class View(BaseModel):
    """A part of an answer: named in camel case on the wire, with described fields only."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="forbid")

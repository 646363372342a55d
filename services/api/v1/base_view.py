"""What every part of an answer is."""

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, PlainSerializer
from pydantic.alias_generators import to_camel

Time = Annotated[datetime, PlainSerializer(datetime.isoformat, when_used="json")]
"""A moment, with its offset written out: `+00:00`, where pydantic's own way is `Z`."""


class View(BaseModel):
    """A part of an answer: named in camel case on the wire, and nothing in it that is not described."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="forbid")

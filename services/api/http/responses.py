"""Answers made of models."""

from collections.abc import Mapping

from fastapi import Response
from pydantic import BaseModel


def json_response(model: BaseModel, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """The model as JSON, by its names on the wire."""
    return Response(model.model_dump_json(by_alias=True), status, headers, "application/json")

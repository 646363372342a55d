"""Responses made from models."""

from collections.abc import Mapping

from fastapi import Response
from pydantic import BaseModel


def json_response(model: BaseModel, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Return the model as JSON, with its names on the wire."""
    return Response(model.model_dump_json(by_alias=True), status, headers, "application/json")

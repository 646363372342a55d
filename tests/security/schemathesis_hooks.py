"""Loaded by schemathesis, not by pytest: each request comes from a different address, as if through a proxy.

The service stops an address that sends wrong credentials, and a run sends hundreds on purpose. The header is put on
where requests leave, not into a case: the checks would take a header that nobody described for the case's fault.
"""

import itertools
from typing import Any

import requests
from requests.adapters import HTTPAdapter

_NUMBERS = itertools.count(1)


def _say_from_where(_adapter: HTTPAdapter, request: requests.PreparedRequest, **_options: Any) -> None:
    request.headers["X-Forwarded-For"] = f"2001:db8::{next(_NUMBERS):x}"


# The place that requests keeps for headers of an adapter's own.
HTTPAdapter.add_headers = _say_from_where  # type: ignore[method-assign, assignment]

"""An HTTP client passed by the caller, and what is easily mistaken for one."""

import httpx2
import pytest

from todoke import AsyncTodoke, Todoke


def test_a_client_of_the_wrong_kind_is_refused_where_it_is_given() -> None:
    class Client:
        """As httpx has one: the package that httpx2 follows."""

    Client.__module__ = "httpx._client"
    with pytest.raises(TypeError, match=r"http_client must be an httpx2\.Client; httpx\.Client is not one"):
        Todoke(http_client=Client())  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"http_client must be an httpx2\.Client; httpx2\.AsyncClient is not one"):
        Todoke(http_client=httpx2.AsyncClient())  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="str is not one"):
        Todoke(http_client="http://localhost:8000")  # type: ignore[arg-type]
    with httpx2.Client() as other, pytest.raises(TypeError, match=r"httpx2\.AsyncClient; httpx2\.Client is not one"):
        AsyncTodoke(http_client=other)  # type: ignore[arg-type]


def test_a_client_of_a_kind_of_the_callers_own_will_do() -> None:
    class Ours(httpx2.Client):
        """With something added."""

    with Ours() as ours:
        Todoke(http_client=ours)

"""Errors that end a command early."""

from shared.errors import TodokeError


class WrongCall(TodokeError):
    """The arguments or the environment make no sense: exit code 2."""


class ExtraMissing(TodokeError):
    """The packages of a command are not installed."""

    def __init__(self, package: str, extra: str) -> None:
        super().__init__(f"needs the extra `{extra}` ({package} is missing): pip install 'todoke-server[{extra}]'")

"""The root of every error that Todoke raises on purpose, and the short form of all others."""


class TodokeError(Exception):
    """A situation that the code foresaw. The message is written for the person who reads it."""


def first_line(error: object) -> str:
    """Return the first line of an error's message, or its type if the message is empty."""
    return next(iter(str(error).strip().splitlines()), repr(error))

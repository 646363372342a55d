"""The root of every error that Todoke raises on purpose, and the short form of all others."""


class TodokeError(Exception):
    """A situation that the code foresaw. The message is written for the person who reads it."""


def first_line(error: object) -> str:
    """The first line of what an error says, or its kind where it says nothing."""
    return next(iter(str(error).strip().splitlines()), repr(error))

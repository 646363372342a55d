"""The root of every error that Todoke raises on purpose."""


class TodokeError(Exception):
    """A situation that the code foresaw. The message is written for the person who reads it."""

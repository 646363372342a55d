"""The parameters of a report type, as report.toml declares them."""

from dataclasses import dataclass
from enum import StrEnum


class ParameterKind(StrEnum):
    """The type of one parameter's value, as report.toml writes it."""

    STRING = "string"
    INTEGER = "integer"
    DECIMAL = "decimal"
    BOOLEAN = "boolean"
    DATE = "date"
    DATETIME = "datetime"
    CHOICE = "choice"
    LIST = "list"


@dataclass(frozen=True, slots=True)
class ChoiceQuery:
    """Where the choices of a parameter come from."""

    query: str
    """One SELECT on the report type's source, with `:name` for other parameters: values, and optionally titles."""
    strict: bool = False
    """True refuses submissions with other values. Otherwise the choices are suggestions."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """One typed input of a report type. Its value is bound to `:name` in the query, never pasted."""

    name: str
    kind: ParameterKind
    title: str
    description: str = ""
    required: bool = False
    default: object = None
    """The JSON value used when a request leaves the parameter out; None binds NULL."""
    default_query: str = ""
    """One SELECT on the source whose first value is the default, with `:name` for other parameters; empty for none."""
    minimum: object = None
    """The smallest value (numbers, dates), fewest characters (string) or fewest items (list), as a JSON value."""
    maximum: object = None
    """The same for the largest value."""
    pattern: str | None = None
    """A regular expression that the whole string must match (shared.catalog.pattern)."""
    choices: tuple[str, ...] = ()
    """The allowed values of a choice, or of each item of a list of choices."""
    items: ParameterKind | None = None
    """The type of a list's items; None for anything else."""
    choice_query: ChoiceQuery | None = None
    """The query for its choices, if they are not listed."""

    @property
    def item_kind(self) -> ParameterKind:
        """The type of a list's items.

        Raises LookupError for anything but a list; the loader gives every list one.
        """
        if self.items is None:
            raise LookupError(f"{self.name} is a {self.kind}, not a list")
        return self.items

"""How a service reads its environment: once, at start, with errors an operator can act on."""

import difflib
from collections.abc import Mapping
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from shared.errors import TodokeError


class SettingsError(TodokeError):
    """The environment does not make a working service. The message names every variable that is wrong."""


class Settings(BaseModel):
    """Base of a service's settings. Each field's alias is its environment variable.

    Values never appear in errors (`hide_input_in_errors`): one of them may be a password.
    """

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True, extra="ignore")

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Self:
        """Read and check the variables. An empty one counts as unset. Raises SettingsError naming all problems."""
        names = cls.variables()
        present = {name: environment[name] for name in names if environment.get(name, "") != ""}
        try:
            return cls.model_validate(present)
        except ValidationError as error:
            raise SettingsError(_explain(error, names, environment)) from None

    @classmethod
    def variables(cls) -> dict[str, Any]:
        """Environment variable → pydantic field, in the order the documentation lists them."""
        return {field.alias or name: field for name, field in cls.model_fields.items()}


def _explain(error: ValidationError, names: Mapping[str, Any], environment: Mapping[str, str]) -> str:
    lines = []
    for problem in error.errors():
        variable = str(problem["loc"][0]) if problem["loc"] else ""
        if problem["type"] == "missing":
            # A typing error shows as one variable missing and a similar one nobody reads.
            near = difflib.get_close_matches(variable, set(environment) - set(names), n=1, cutoff=0.8)
            hint = f" (did you mean it by {near[0]}?)" if near else ""
            lines.append(f"{variable} is not set{hint}: {names[variable].description or 'required'}")
        else:
            message = problem["msg"].removeprefix("Value error, ")
            lines.append(f"{variable}: {message}" if variable else message)
    return "\n".join(lines)

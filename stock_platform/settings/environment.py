"""Loading the settings from the environment.

Belongs here: error messages about environment variables. Validation is in `deployment`.
"""

import difflib
import os
from collections.abc import Sequence

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from stock_platform.errors import StockPlatformError
from stock_platform.settings.deployment import PREFIX, Settings


class SettingsError(StockPlatformError, ValueError):
    """The environment has invalid settings; the message has one line per variable."""


def load_settings() -> Settings:
    """Return the validated settings of the environment.

    Raises:
        SettingsError: a variable is invalid or unknown.
    """
    known = variable_names()
    unknown = sorted(name for name in os.environ if name.startswith(PREFIX) and name not in known)
    if unknown:
        raise SettingsError("\n".join(_unknown(variable, known) for variable in unknown))
    try:
        return Settings()
    except ValidationError as error:
        raise SettingsError("\n".join(map(_invalid, error.errors()))) from None


def variable_names() -> list[str]:
    """Return the names of all variables, those of groups last."""
    names: list[str] = []
    for name, field in Settings.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            names += [f"{name}__{option}" for option in kind.model_fields]
        else:
            names.append(name)
    return [f"{PREFIX}{name.upper()}" for name in names]


def _unknown(variable: str, known: Sequence[str]) -> str:
    similar = difflib.get_close_matches(variable, known, n=1)
    hint = f"did you mean {similar[0]}?" if similar else f"there are {', '.join(known)}"
    return f"{variable}: no such setting; {hint}"


def _invalid(error: ErrorDetails) -> str:
    message = error["msg"].removeprefix("Value error, ")
    if not error["loc"]:
        return message
    variable = "__".join(str(part).upper() for part in error["loc"])
    return f"{PREFIX}{variable}={error['input']}: {message}"

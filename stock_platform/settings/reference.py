"""The settings reference: every variable with its default, values and meaning, as a Markdown page.

To write it: ``make docs``. The text comes from the settings' fields, so it is edited there.
"""

import sys
from typing import Literal, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from stock_platform.settings.deployment import PREFIX, Settings

_INTRODUCTION = """\
# Settings

Generated from `stock_platform/settings/` by `make docs`: edit the descriptions there.

All settings are environment variables, and all are optional. A wrong value or a misspelt name is
rejected before anything runs, with a message that names the variable. On Google Cloud
(`STOCK_PLATFORM_DEPLOYMENT=staging` or `production`), the defaults of `STOCK_PLATFORM_MARKET_DATA`
and `STOCK_PLATFORM_SPARK` are `yahoo` and `dataproc`.
"""


def settings_reference() -> str:
    """Return the page: one table of single settings, then one per group."""
    single: dict[str, FieldInfo] = {}
    groups = ""
    for name, setting in Settings.model_fields.items():
        kind = setting.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            title = (setting.description or "").rstrip(".")
            groups += _table(title, f"{PREFIX}{name.upper()}__", kind.model_fields)
        else:
            single[name] = setting
    return _INTRODUCTION + _table("General", PREFIX, single) + groups


def _table(title: str, prefix: str, fields: dict[str, FieldInfo]) -> str:
    rows = "\n".join(
        f"| `{prefix}{name.upper()}` | {_default(field.default)} | {_meaning(field)} |"
        for name, field in fields.items()
    )
    return f"\n## {title}\n\n| variable | default | meaning |\n|---|---|---|\n{rows}\n"


def _default(value: object) -> str:
    """Return a default as it would be written in the environment; empty if there is none."""
    if value is None or value == "":
        return ""
    if isinstance(value, tuple):
        return f"`{','.join(value)}`"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return f"`{value}`"


def _meaning(field: FieldInfo) -> str:
    description = (field.description or "").replace("|", r"\|")
    if get_origin(field.annotation) is Literal:
        values = ", ".join(f"`{value}`" for value in get_args(field.annotation))
        return f"{description} Values: {values}."
    return description


if __name__ == "__main__":
    sys.stdout.write(settings_reference())

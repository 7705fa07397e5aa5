"""Settings: the only reader of the environment.

Every variable has the prefix ``STOCK_PLATFORM_``; the README's table is this file in words.
Derived names (paths, tables) are made where they are used, never copied here.
"""

import os
from datetime import date
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import (
    AnyHttpUrl,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from stock_platform.limits import QualityLimits

# The first and last day that bokeh-sampledata's stocks.csv.gz covers.
SAMPLE_START: Final = date(2000, 3, 1)
SAMPLE_END: Final = date(2013, 3, 1)

_DUCKDB: Final = "duckdb:///"
_PREFIX: Final = "STOCK_PLATFORM_"


class SettingsError(ValueError):
    """The environment is not usable; the message has a line for each wrong variable."""


class Settings(BaseSettings):
    """Validated settings of one deployment."""

    model_config = SettingsConfigDict(
        env_prefix=_PREFIX, env_nested_delimiter="__", env_nested_max_split=1, frozen=True
    )

    deployment: Literal["local"] = Field("local", description="Which deployment this is.")
    lake: str = Field("lake", description="Directory, or fsspec URL such as gs://bucket/prefix.")
    warehouse: str = Field(
        "duckdb:///warehouse/stock_platform.duckdb", description="duckdb:///PATH of the file."
    )
    market_data: Literal["sample", "yahoo"] = Field(
        "sample", description="Bundled real prices of 2000-2013, or Yahoo Finance."
    )
    yahoo_url: AnyHttpUrl | None = Field(
        None, description="Ask URL/HOST/PATH for every https://HOST/PATH that yfinance asks."
    )
    yahoo_requests_per_second: float = Field(
        2.0, gt=0, le=100, description="Ceiling for all requests; bans follow bursts above 5."
    )
    spark: Literal["sail", "spark"] = Field(
        "sail", description="Sail (no JVM) or classic local Spark 3.5 (Java 17)."
    )
    start_date: date = Field(SAMPLE_START, description="The first partition.")
    end_date: date | None = Field(
        None, description="The last partition; follows the calendar where unset, or the sample."
    )
    exchanges: Annotated[tuple[str, ...], NoDecode] = Field(
        ("XNYS", "XNAS"), description="MICs, comma-separated, whose sessions make the partitions."
    )
    erp_rejected_share: float = Field(
        0.2, ge=0, le=1, description="Of an ERP file's rows; with more rejected, the file is."
    )
    dagster_url: AnyHttpUrl = Field(
        AnyHttpUrl("http://127.0.0.1:3000"), description="Where the UI is; pages link to it."
    )
    quality: QualityLimits = Field(
        QualityLimits(), description="What the checks take for too much."
    )

    @field_validator("exchanges", mode="before")
    @classmethod
    def _split_exchanges(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(mic.strip().upper() for mic in value.split(",") if mic.strip())
        return value

    @field_validator("exchanges")
    @classmethod
    def _some_exchange(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not value:
            raise ValueError("name at least one exchange by its MIC, such as XNYS")
        return value

    @field_validator("lake")
    @classmethod
    def _absolute_directory(cls, value: str) -> str:
        return value.rstrip("/") if "://" in value else str(Path(value).resolve())

    @field_validator("warehouse")
    @classmethod
    def _absolute_file(cls, value: str) -> str:
        if not value.startswith(_DUCKDB) or value == _DUCKDB:
            raise ValueError(f"{value!r} is no warehouse; expected duckdb:///PATH")
        return f"{_DUCKDB}{Path(value.removeprefix(_DUCKDB)).resolve()}"

    @model_validator(mode="after")
    def _days_in_order(self) -> "Settings":
        if self.last_date is not None and self.last_date < self.start_date:
            raise ValueError(f"END_DATE {self.last_date} lies before START_DATE {self.start_date}")
        return self

    @property
    def last_date(self) -> date | None:
        """The last day that may be a partition; with the sample, its own end at the latest."""
        if self.market_data == "sample":
            return min(self.end_date or SAMPLE_END, SAMPLE_END)
        return self.end_date

    @property
    def warehouse_file(self) -> Path:
        """The DuckDB file."""
        return Path(self.warehouse.removeprefix(_DUCKDB))


def load_settings() -> Settings:
    """The settings of the environment.

    Raises:
        SettingsError: a variable is wrong, or none that there is.
    """
    known = _variables()
    unknown = [it for it in sorted(os.environ) if it.startswith(_PREFIX) and it not in known]
    if unknown:
        raise SettingsError(f"{', '.join(unknown)}: no such setting; there are {', '.join(known)}")
    try:
        return Settings()
    except ValidationError as error:
        raise SettingsError("\n".join(map(_complaint, error.errors()))) from None


def _variables() -> list[str]:
    """Every variable that there is, in the order of the README's table."""
    plain = [name for name in Settings.model_fields if name != "quality"]
    limits = [f"quality__{name}" for name in QualityLimits.model_fields]
    return [f"{_PREFIX}{name.upper()}" for name in (*plain, *limits)]


def _complaint(error: ErrorDetails) -> str:
    said = error["msg"].removeprefix("Value error, ")
    if not error["loc"]:
        return said
    variable = "__".join(str(part).upper() for part in error["loc"])
    return f"{_PREFIX}{variable}={error['input']}: {said}"

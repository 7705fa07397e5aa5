"""Settings: the only reader of the environment.

Every variable has the prefix ``STOCK_PLATFORM_``; the README's table is this file in words.
Derived names (paths, tables) are made where they are used, never copied here.
"""

import difflib
import os
import re
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import (
    AnyHttpUrl,
    BaseModel,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from stock_platform.google_settings import BigQuerySettings, DataprocSettings
from stock_platform.limits import QualityLimits

# The first and last day that bokeh-sampledata's stocks.csv.gz covers.
SAMPLE_START: Final = date(2000, 3, 1)
SAMPLE_END: Final = date(2013, 3, 1)

_DUCKDB: Final = "duckdb:///"
_BIGQUERY: Final = "bigquery://"
_CLOUD_STORAGE: Final = "gs://"
_PREFIX: Final = "STOCK_PLATFORM_"
_EMAIL: Final = r"^[a-z0-9-]+@[a-z0-9.-]+\.iam\.gserviceaccount\.com$"
# Settings that are groups of settings, each of them a variable of its own.
_GROUPS: Final[dict[str, type[BaseModel]]] = {
    "dataproc": DataprocSettings,
    "bigquery": BigQuerySettings,
    "quality": QualityLimits,
}


class SettingsError(ValueError):
    """The environment is not usable; the message has a line for each wrong variable."""


class Settings(BaseSettings):
    """Validated settings of one deployment."""

    model_config = SettingsConfigDict(
        env_prefix=_PREFIX, env_nested_delimiter="__", env_nested_max_split=1, frozen=True
    )

    deployment: Literal["local", "staging", "production"] = Field(
        "local", description="Which deployment this is; all but local are on Google Cloud."
    )
    lake: str = Field(
        "lake",
        description="Directory, or gs://BUCKET/PREFIX; {layer} in it is raw, processed or code.",
    )
    warehouse: str = Field(
        "duckdb:///warehouse/stock_platform.duckdb",
        description="duckdb:///PATH of a file, or bigquery://PROJECT/DATASET.",
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
    spark: Literal["sail", "spark", "dataproc"] = Field(
        "sail", description="Sail (no JVM), classic local Spark 3.5 (Java 17), Dataproc Serverless."
    )
    region: str | None = Field(
        None, pattern=r"^[a-z]+-[a-z]+[0-9]+$", description="Where Dataproc's batches run."
    )
    ingest_account: str | None = Field(
        None, pattern=_EMAIL, description="Service account that the lake is read and written as."
    )
    loader_account: str | None = Field(
        None, pattern=_EMAIL, description="Service account that BigQuery is asked as."
    )
    dataproc_endpoint: str | None = Field(
        None, description="host:port of an insecure gRPC endpoint in Dataproc's place."
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
    alert_url: SecretStr | None = Field(
        None, description="Where alerts go, as an address of Apprise; unset, they are logged alone."
    )
    dataproc: DataprocSettings = Field(DataprocSettings(), description="How batches run.")
    bigquery: BigQuerySettings = Field(BigQuerySettings(), description="Bounds of queries.")
    quality: QualityLimits = Field(
        QualityLimits(), description="What the checks take for too much."
    )

    @model_validator(mode="before")
    @classmethod
    def _cloud_defaults(cls, given: dict[str, object]) -> dict[str, object]:
        if given.get("deployment", "local") == "local":
            return given
        return {"market_data": "yahoo", "spark": "dataproc", **given}

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
        if not value.strip():
            raise ValueError("name a directory, or gs://BUCKET/PREFIX")
        if "://" in value and not value.startswith(_CLOUD_STORAGE):
            raise ValueError("expected a directory, or gs://BUCKET/PREFIX")
        if {"{", "}"} & set(value.replace("{layer}", "")):
            raise ValueError("only {layer} may stand in braces")
        return value.rstrip("/") if "://" in value else str(Path(value).resolve())

    @field_validator("warehouse")
    @classmethod
    def _absolute_file(cls, value: str) -> str:
        if re.fullmatch(rf"{_BIGQUERY}[a-z][a-z0-9-]+/[A-Za-z0-9_]+", value):
            return value
        if not value.startswith(_DUCKDB) or value == _DUCKDB:
            raise ValueError(
                f"{value!r} is no warehouse; expected duckdb:///PATH or bigquery://PROJECT/DATASET"
            )
        return f"{_DUCKDB}{Path(value.removeprefix(_DUCKDB)).resolve()}"

    @model_validator(mode="after")
    def _days_in_order(self) -> "Settings":
        if self.last_date is not None and self.last_date < self.start_date:
            if self.end_date is None:
                raise ValueError(
                    f"the sample ends {SAMPLE_END}, before START_DATE {self.start_date}: set "
                    f"{_PREFIX}MARKET_DATA=yahoo, or an earlier day"
                )
            raise ValueError(f"END_DATE {self.last_date} lies before START_DATE {self.start_date}")
        return self

    @model_validator(mode="after")
    def _parts_that_fit(self) -> "Settings":
        """On Google Cloud everything is: Dataproc and BigQuery reach no laptop's directory."""
        parts = {
            "LAKE=gs://BUCKET/PREFIX": self.lake.startswith(_CLOUD_STORAGE),
            "WAREHOUSE=bigquery://PROJECT/DATASET": self.warehouse.startswith(_BIGQUERY),
            "SPARK=dataproc": self.spark == "dataproc",
            "REGION": self.region is not None,
        }
        on_cloud = self.deployment != "local" or parts["SPARK=dataproc"]
        if on_cloud and not all(parts.values()):
            lacks = [f"{_PREFIX}{name}" for name, fits in parts.items() if not fits]
            raise ValueError(
                f"DEPLOYMENT={self.deployment} with SPARK={self.spark} needs {', '.join(lacks)}"
            )
        if self.warehouse.startswith(_BIGQUERY) and not parts["LAKE=gs://BUCKET/PREFIX"]:
            raise ValueError(f"BigQuery reads no directory: set {_PREFIX}LAKE=gs://BUCKET/PREFIX")
        if (self.deployment, self.market_data) == ("production", "sample"):
            raise ValueError("production never serves the sample: MARKET_DATA must be yahoo")
        return self

    @property
    def last_date(self) -> date | None:
        """The last day that may be a partition; with the sample, its own end at the latest."""
        if self.market_data == "sample":
            return min(self.end_date or SAMPLE_END, SAMPLE_END)
        return self.end_date

    @property
    def warehouse_file(self) -> Path | None:
        """The DuckDB file; None where the warehouse is BigQuery."""
        if self.warehouse.startswith(_BIGQUERY):
            return None
        return Path(self.warehouse.removeprefix(_DUCKDB))

    @property
    def project_and_dataset(self) -> tuple[str, str]:
        """Google's project and BigQuery's dataset in it.

        Raises:
            ValueError: the warehouse is a file.
        """
        if not self.warehouse.startswith(_BIGQUERY):
            raise ValueError(f"{self.warehouse} is in no project")
        project, _, dataset = self.warehouse.removeprefix(_BIGQUERY).partition("/")
        return project, dataset


def load_settings() -> Settings:
    """The settings of the environment.

    Raises:
        SettingsError: a variable is wrong, or none that there is.
    """
    known = _variables()
    unknown = [it for it in sorted(os.environ) if it.startswith(_PREFIX) and it not in known]
    if unknown:
        raise SettingsError("\n".join(_unknown(it, known) for it in unknown))
    try:
        return Settings()
    except ValidationError as error:
        raise SettingsError("\n".join(map(_complaint, error.errors()))) from None


def _variables() -> list[str]:
    """Every variable that there is, in the order of the README's table."""
    names = [name for name in Settings.model_fields if name not in _GROUPS]
    for group, options in _GROUPS.items():
        names += [f"{group}__{name}" for name in options.model_fields]
    return [f"{_PREFIX}{name.upper()}" for name in names]


def _unknown(variable: str, known: Sequence[str]) -> str:
    alike = difflib.get_close_matches(variable, known, n=1)
    meant = f"did you mean {alike[0]}?" if alike else f"there are {', '.join(known)}"
    return f"{variable}: no such setting; {meant}"


def _complaint(error: ErrorDetails) -> str:
    said = error["msg"].removeprefix("Value error, ")
    if not error["loc"]:
        return said
    variable = "__".join(str(part).upper() for part in error["loc"])
    return f"{_PREFIX}{variable}={error['input']}: {said}"

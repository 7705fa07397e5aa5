"""The settings of one deployment.

Belongs here: every variable with its default and validation, and which combinations are valid.
Paths and names that derive from settings are computed where they are used.
"""

from datetime import date
from pathlib import Path
from typing import Annotated, Final, Literal, Self

from pydantic import AnyHttpUrl, Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from stock_platform.settings.google import BigQuerySettings, DataprocSettings
from stock_platform.settings.locations import (
    CLOUD_STORAGE,
    BigQueryDataset,
    DuckDBFile,
    LakeLocation,
    WarehouseLocation,
)
from stock_platform.settings.quality import QualityLimits

PREFIX: Final = "STOCK_PLATFORM_"
# The first and last session in bokeh-sampledata's stocks.csv.gz.
SAMPLE_START: Final = date(2000, 3, 1)
SAMPLE_END: Final = date(2013, 3, 1)

_Account = Annotated[
    str | None, Field(pattern=r"^[a-z0-9-]+@[a-z0-9.-]+\.iam\.gserviceaccount\.com$")
]


class Settings(BaseSettings):
    """Validated settings of one deployment."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_nested_delimiter="__", env_nested_max_split=1, frozen=True
    )

    deployment: Literal["local", "staging", "production"] = Field(
        "local", description="Name of the deployment; all but local are on Google Cloud."
    )
    lake: LakeLocation = Field(
        "lake",
        description="Directory, or gs://BUCKET/PREFIX; {layer} in it is raw, processed or code.",
    )
    warehouse: WarehouseLocation = Field(
        DuckDBFile(Path("warehouse/stock_platform.duckdb")),
        description="duckdb:///PATH of a file (duckdb:////PATH if it is absolute), or "
        "bigquery://PROJECT/DATASET.",
    )
    market_data: Literal["sample", "yahoo"] = Field(
        "sample", description="Bundled real prices of 2000-2013, or Yahoo Finance."
    )
    yahoo_url: AnyHttpUrl | None = Field(
        None, description="Base URL: https://HOST/PATH is requested as URL/HOST/PATH."
    )
    yahoo_requests_per_second: float = Field(
        2.0, gt=0, le=100, description="Limit for all requests; bans follow bursts above 5."
    )
    spark: Literal["sail", "spark", "dataproc"] = Field(
        "sail", description="Sail (no JVM), classic local Spark 3.5 (Java 17), Dataproc Serverless."
    )
    region: str | None = Field(
        None, pattern=r"^[a-z]+-[a-z]+[0-9]+$", description="Region of Dataproc's batches."
    )
    ingest_account: _Account = Field(
        None, description="Service account that reads and writes the lake."
    )
    loader_account: _Account = Field(None, description="Service account that uses BigQuery.")
    dataproc_endpoint: str | None = Field(
        None, description="host:port of an insecure gRPC endpoint that replaces Dataproc's."
    )
    start_date: date = Field(SAMPLE_START, description="The first partition.")
    end_date: date | None = Field(
        None, description="The last partition; by default the calendar's, or the sample's last day."
    )
    exchanges: Annotated[tuple[str, ...], NoDecode] = Field(
        ("XNYS", "XNAS"), description="MICs, comma-separated, whose sessions are the partitions."
    )
    erp_rejected_share: float = Field(
        0.2, ge=0, le=1, description="An ERP file with a greater share of bad rows is rejected."
    )
    dagster_url: AnyHttpUrl = Field(
        AnyHttpUrl("http://127.0.0.1:3000"), description="URL of the UI, for links."
    )
    alert_url: SecretStr | None = Field(
        None, description="Apprise URL that alerts are sent to; without it they are only logged."
    )
    dataproc: DataprocSettings = Field(
        DataprocSettings(), description="Options of Dataproc batches."
    )
    bigquery: BigQuerySettings = Field(
        BigQuerySettings(), description="Limits of BigQuery queries."
    )
    quality: QualityLimits = Field(QualityLimits(), description="Thresholds of the checks.")

    @model_validator(mode="before")
    @classmethod
    def _apply_cloud_defaults(cls, given: dict[str, object]) -> dict[str, object]:
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
    def _require_exchange(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not value:
            raise ValueError("name at least one exchange by its MIC, such as XNYS")
        return value

    @model_validator(mode="after")
    def _require_ordered_dates(self) -> Self:
        if self.last_date is not None and self.last_date < self.start_date:
            if self.end_date is None:
                raise ValueError(
                    f"the sample ends {SAMPLE_END}, before START_DATE {self.start_date}: set "
                    f"{PREFIX}MARKET_DATA=yahoo, or an earlier day"
                )
            raise ValueError(f"END_DATE {self.last_date} is before START_DATE {self.start_date}")
        return self

    @model_validator(mode="after")
    def _require_valid_combination(self) -> Self:
        """Dataproc and BigQuery cannot read a local directory."""
        required = {
            "LAKE=gs://BUCKET/PREFIX": self.lake.startswith(CLOUD_STORAGE),
            "WAREHOUSE=bigquery://PROJECT/DATASET": isinstance(self.warehouse, BigQueryDataset),
            "SPARK=dataproc": self.spark == "dataproc",
            "REGION": self.region is not None,
        }
        on_cloud = self.deployment != "local" or self.spark == "dataproc"
        missing = [f"{PREFIX}{name}" for name, is_set in required.items() if not is_set]
        if on_cloud and missing:
            raise ValueError(
                f"DEPLOYMENT={self.deployment} with SPARK={self.spark} needs {', '.join(missing)}"
            )
        if isinstance(self.warehouse, BigQueryDataset) and not required["LAKE=gs://BUCKET/PREFIX"]:
            raise ValueError(
                f"BigQuery cannot read a local directory: set {PREFIX}LAKE=gs://BUCKET/PREFIX"
            )
        if (self.deployment, self.market_data) == ("production", "sample"):
            raise ValueError("production requires MARKET_DATA=yahoo")
        return self

    @property
    def warehouse_file(self) -> Path | None:
        """The DuckDB file; None if the warehouse is in BigQuery."""
        return self.warehouse.path if isinstance(self.warehouse, DuckDBFile) else None

    @property
    def last_date(self) -> date | None:
        """The last possible partition; with the sample never after its last day."""
        if self.market_data == "sample":
            return min(self.end_date or SAMPLE_END, SAMPLE_END)
        return self.end_date

"""Options of Dataproc Serverless and BigQuery, with their defaults."""

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator


class DataprocSettings(BaseModel):
    """Options of batches: the variables ``STOCK_PLATFORM_DATAPROC__*``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    runtime_version: str = Field(
        "2.3", description="Dataproc Serverless runtime. 2.3 is LTS: Spark 3.5, Java 17."
    )
    tier: Literal["standard", "premium"] = Field(
        "standard", description="Price tier of compute and shuffle."
    )
    min_executors: int = Field(2, ge=2, le=500, description="Dynamic allocation's lower bound.")
    max_executors: int = Field(8, ge=2, le=2000, description="Dynamic allocation's upper bound.")
    ttl_minutes: int = Field(
        120, ge=10, le=20160, description="Google cancels a batch that runs longer."
    )
    service_account: str | None = Field(
        None, description="E-mail of the account that batches run as; by default the project's."
    )
    subnetwork: str | None = Field(
        None, description="Name or URI of a subnetwork with Private Google Access."
    )
    network_tags: str = Field(
        "",
        pattern=r"^([a-z][a-z0-9-]{0,62}(,|$))*$",
        description="Comma-separated tags that firewall rules select by.",
    )
    staging_bucket: str | None = Field(
        None, description="Name of the bucket for dependencies and driver output."
    )
    kms_key: str | None = Field(None, description="Key that encrypts the data of batches.")
    poll_seconds: float = Field(
        10, gt=0, le=300, description="Time between two requests for a batch's state."
    )

    @model_validator(mode="after")
    def _require_ordered_bounds(self) -> Self:
        if self.max_executors < self.min_executors:
            raise ValueError(
                f"MAX_EXECUTORS={self.max_executors} is below MIN_EXECUTORS={self.min_executors}"
            )
        return self


class BigQuerySettings(BaseModel):
    """Limits of queries: the variables ``STOCK_PLATFORM_BIGQUERY__*``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    max_query_bytes: int = Field(
        100 * 2**30, ge=10 * 2**20, description="A query that would bill more is rejected."
    )
    storage_read_api: bool = Field(
        default=True,
        description="Read tables through the Storage Read API; without it, in pages of JSON.",
    )

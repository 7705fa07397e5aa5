"""What the Google Cloud deployments may want otherwise, with its defaults.

Belongs here: options of Dataproc Serverless and BigQuery. Which of the deployments uses them, and
where they are read from, is `settings`.
"""

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator


class DataprocSettings(BaseModel):
    """How batches run; each is ``STOCK_PLATFORM_DATAPROC__`` and its name."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    runtime_version: str = Field(
        "2.3", description="Dataproc Serverless runtime. 2.3 is LTS: Spark 3.5, Java 17."
    )
    tier: Literal["standard", "premium"] = Field(
        "standard", description="Cost tier of compute, and with it of shuffle."
    )
    min_executors: int = Field(2, ge=2, le=500, description="Dynamic allocation's lower bound.")
    max_executors: int = Field(8, ge=2, le=2000, description="Dynamic allocation's upper bound.")
    ttl_minutes: int = Field(
        120, ge=10, le=20160, description="Google ends a batch that runs for longer."
    )
    service_account: str | None = Field(
        None, description="E-mail of the account that batches run as; the project's default."
    )
    subnetwork: str | None = Field(
        None, description="Subnetwork with Private Google Access, as name or URI."
    )
    network_tags: str = Field(
        "",
        pattern=r"^([a-z][a-z0-9-]{0,62}(,|$))*$",
        description="Tags that firewall rules select by, comma-separated.",
    )
    staging_bucket: str | None = Field(
        None, description="Bucket for dependencies and driver output, by bare name."
    )
    kms_key: str | None = Field(None, description="Key that encrypts what a batch stores.")
    poll_seconds: float = Field(
        10, gt=0, le=300, description="How often a batch's state is asked for."
    )

    @model_validator(mode="after")
    def _bounds_in_order(self) -> Self:
        if self.max_executors < self.min_executors:
            raise ValueError(
                f"MAX_EXECUTORS={self.max_executors} lies below MIN_EXECUTORS={self.min_executors}"
            )
        return self


class BigQuerySettings(BaseModel):
    """Bounds of what is asked; each is ``STOCK_PLATFORM_BIGQUERY__`` and its name."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    max_query_bytes: int = Field(
        100 * 2**30, ge=10 * 2**20, description="A query that would bill more is refused."
    )
    storage_read_api: bool = Field(
        default=True,
        description="Read tables by the Storage Read API; off, by slower pages of JSON.",
    )

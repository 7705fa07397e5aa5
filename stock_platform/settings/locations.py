"""Locations of the lake and the warehouse, parsed from settings."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

from pydantic import AfterValidator, BeforeValidator
from pydantic_settings import NoDecode

CLOUD_STORAGE: Final = "gs://"
_DUCKDB: Final = "duckdb:///"


@dataclass(frozen=True)
class DuckDBFile:
    """A warehouse in a DuckDB file; its string is the URL that the settings take."""

    path: Path

    def __str__(self) -> str:
        return f"{_DUCKDB}{self.path}"


@dataclass(frozen=True)
class BigQueryDataset:
    """A warehouse in a BigQuery dataset; its string is the URL that the settings take."""

    project: str
    dataset: str

    def __str__(self) -> str:
        return f"bigquery://{self.project}/{self.dataset}"


def _parse_warehouse(value: object) -> object:
    if isinstance(value, DuckDBFile):
        return DuckDBFile(value.path.resolve())
    if not isinstance(value, str):
        return value
    if bigquery := re.fullmatch(r"bigquery://([a-z][a-z0-9-]+)/([A-Za-z0-9_]+)", value):
        return BigQueryDataset(*bigquery.groups())
    if not value.startswith(_DUCKDB) or value == _DUCKDB:
        raise ValueError(
            f"{value!r} is not a valid warehouse URL; "
            "expected duckdb:///PATH or bigquery://PROJECT/DATASET"
        )
    return DuckDBFile(Path(value.removeprefix(_DUCKDB)).resolve())


_WILDCARDS: Final = frozenset("*?[]\\")


def _absolute_lake(value: str) -> str:
    if not value.strip():
        raise ValueError("name a directory, or gs://BUCKET/PREFIX")
    if "://" in value and not value.startswith(CLOUD_STORAGE):
        raise ValueError("expected a directory, or gs://BUCKET/PREFIX")
    if {"{", "}"} & set(value.replace("{layer}", "")):
        raise ValueError("the only placeholder is {layer}")
    location = value.rstrip("/") if "://" in value else str(Path(value).resolve())
    # Spark and DuckDB read a path with one of them as a pattern.
    if wildcards := sorted(_WILDCARDS.intersection(location)):
        raise ValueError(f"{location!r} contains {wildcards[0]}: use another directory")
    return location


WarehouseLocation = Annotated[
    DuckDBFile | BigQueryDataset, NoDecode, BeforeValidator(_parse_warehouse)
]
# An absolute directory, or a gs:// URL without a slash at its end.
LakeLocation = Annotated[str, AfterValidator(_absolute_lake)]

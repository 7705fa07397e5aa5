"""The whole platform in a folder: real Dagster, real yfinance client, real Sail, real DuckDB."""

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Self

import dagster as dg
import pandas as pd

from stock_platform.contracts import TABLES
from stock_platform.definitions import build_definitions
from stock_platform.lake.paths import ErpKind, LakePaths
from stock_platform.market_data.http_session import YahooHttpSession
from stock_platform.market_data.yahoo_client import YahooClient
from stock_platform.orchestration.resources import MarketDataResource
from stock_platform.settings import Settings
from stock_platform.warehouse.duckdb import DuckDBWarehouse
from stock_platform_tests.support import ROOT

SAMPLE_ERP = ROOT / "data" / "sample" / "erp"
SAMPLE_COMPANIES = (SAMPLE_ERP / "companies.csv").read_text().splitlines()[1:]
_CACHE = TemporaryDirectory(prefix="yfinance-tests-")


class ImpatientYahoo(MarketDataResource):
    """The Yahoo client without waiting between attempts."""

    @contextmanager
    def client(self) -> Iterator[YahooClient]:
        """A client with two attempts per request."""
        session = YahooHttpSession(1000, self.yahoo_url, attempts=2, sleep=lambda _: None)
        client = YahooClient(session, Path(_CACHE.name))
        try:
            yield client
        finally:
            client.close()


class Platform:
    """A deployment in a folder, and operations for tests."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        self.settings = Settings(
            lake=str(folder / "lake"), warehouse=f"duckdb:///{folder}/w.duckdb", **settings
        )
        self.paths = LakePaths(self.settings.lake)
        self.warehouse = DuckDBWarehouse(self.settings.warehouse_file)
        self.instance = dg.DagsterInstance.ephemeral()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.instance.dispose()

    @cached_property
    def defs(self) -> dg.Definitions:
        """The graph, whose construction takes half a second."""
        return build_definitions(self.settings)

    @property
    def environment(self) -> dict[str, str]:
        """Variables with which another process uses the same lake and warehouse."""
        warehouse = str(self.settings.warehouse)
        return {"STOCK_PLATFORM_LAKE": self.settings.lake, "STOCK_PLATFORM_WAREHOUSE": warehouse}

    def use_yahoo(self, url: str, **settings: Any) -> None:
        """Point the graph at a local Yahoo."""
        self.defs = build_definitions(
            self.settings.model_copy(update={"market_data": "yahoo", **settings}),
            market_data=ImpatientYahoo(source="yahoo", yahoo_url=url),
        )

    def drop_companies(self, *rows: str) -> None:
        """Drop an ERP export of companies, and the sample's exchanges."""
        header = (SAMPLE_ERP / "companies.csv").read_text().splitlines()[0]
        for kind in ("companies", "exchanges"):
            Path(self.paths.landing(kind)).mkdir(parents=True, exist_ok=True)
        shutil.copy2(SAMPLE_ERP / "exchanges.csv", self.paths.landing("exchanges"))
        self.drop("companies", "companies.csv", "\n".join([header, *rows]) + "\n")

    def drop(self, kind: ErpKind, name: str, content: str | bytes) -> Path:
        """Drop a file that is old enough to be loaded."""
        file = Path(self.paths.landing(kind)) / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content.encode() if isinstance(content, str) else content)
        long_ago = time.time() - 60
        os.utime(file, (long_ago, long_ago))
        return file

    def load_sample_dimensions(self) -> None:
        """Drop the sample's ERP export, and load all dimensions."""
        self.load_dimensions(*SAMPLE_COMPANIES)

    def load_dimensions(self, *rows: str) -> None:
        """Drop an ERP export of companies, and load all dimensions."""
        self.drop_companies(*rows)
        self.run("erp_load")
        self.run("reference_data")

    def run(
        self,
        job: str,
        first: str | None = None,
        last: str | None = None,
        config: dict[str, Any] | None = None,
    ) -> Any:
        """Run a job for no session, one session or a range, with a configuration per step."""
        ops = {step: {"config": values} for step, values in (config or {}).items()}
        return self.defs.resolve_job_def(job).execute_in_process(
            run_config={"ops": ops},
            instance=self.instance,
            tags=range_tags(first, last),
            raise_on_error=False,
        )

    @property
    def days(self) -> Any:
        """The trading days of the deployment."""
        return self.defs.resolve_assets_def("raw_stock_prices").partitions_def

    def materialize_assets(self, *assets: str) -> Any:
        """Materialize some unpartitioned assets."""
        return self.run_selection(dg.AssetSelection.assets(*assets))

    def run_own(self, asset: Any, first: str | None = None, last: str | None = None) -> Any:
        """Materialize an asset that is added to the graph."""
        defs = dg.Definitions.merge(self.defs, dg.Definitions(assets=[asset]))
        job = dg.define_asset_job("own", selection=dg.AssetSelection.assets(asset))
        return self._execute(defs, job, range_tags(first, last))

    def run_selection(self, selection: Any, first: str | None = None) -> Any:
        """Run a selection for one session or without a partition."""
        job = dg.define_asset_job("some", selection=selection)
        return self._execute(self.defs, job, range_tags(first, None))

    def _execute(self, defs: dg.Definitions, job: Any, tags: dict[str, str]) -> Any:
        merged = dg.Definitions.merge(defs, dg.Definitions(jobs=[job]))
        return merged.resolve_job_def(job.name).execute_in_process(
            instance=self.instance, tags=tags, raise_on_error=False
        )

    def materialize(
        self, *assets: str, first: str, last: str | None = None, checks: bool = True
    ) -> Any:
        """Materialize some partitioned assets, with their checks."""
        selection = dg.AssetSelection.assets(*assets)
        if not checks:
            selection = selection.without_checks()
        job = dg.define_asset_job("some", selection=selection)
        return self._execute(self.defs, job, range_tags(first, last))

    def table(self, name: str) -> pd.DataFrame:
        """All rows of a warehouse table."""
        frame: pd.DataFrame = self.warehouse.read(TABLES[name]).to_pandas()
        return frame


def range_tags(first: str | None, last: str | None) -> dict[str, str]:
    """The tags of a run for no partition, one partition or a range."""
    if first is None:
        return {}
    if last is None:
        return {"dagster/partition": first}
    return {"dagster/asset_partition_range_start": first, "dagster/asset_partition_range_end": last}


def step_errors(result: Any) -> str:
    """The errors of all failed steps, with their causes."""
    return str([failure.step_failure_data.error for failure in result.get_step_failure_events()])


def check_results(
    result: Any, check: str, asset: str | None = None
) -> dict[str | None, tuple[bool, str]]:
    """Whether a check passed, and its severity, by session."""
    return {
        evaluation.partition: (evaluation.passed, evaluation.severity.value)
        for evaluation in result.get_asset_check_evaluations()
        if evaluation.check_name == check and asset in {None, evaluation.asset_key.to_user_string()}
    }


def error_text(result: Any) -> str:
    """The error of the only failed step."""
    assert not result.success
    (failure,) = result.get_step_failure_events()
    return str(failure.event_specific_data)

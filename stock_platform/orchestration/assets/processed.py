"""Asset of the processed layer: validated, as-traded Parquet from the Spark job."""

import uuid
from collections.abc import Sequence
from typing import Final

import dagster as dg
import orjson

from stock_platform.erp.store import ErpSnapshot
from stock_platform.lake import files
from stock_platform.lake.publish import StagedBatch, read_staged
from stock_platform.lake.raw_runs import RawRun
from stock_platform.orchestration.assets.common import OWNERS, session_keys
from stock_platform.orchestration.metadata import batch_metadata
from stock_platform.orchestration.partitions import YEARLY_BACKFILL
from stock_platform.orchestration.resources import LakeResource, SparkResource
from stock_platform.spark.batch import SparkBatch
from stock_platform.spark.request import job_request

GROUP: Final = "processed"


def processed_stock_prices_asset(days: dg.TimeWindowPartitionsDefinition) -> dg.AssetsDefinition:
    """Build the asset that runs the Spark job over the deployment's trading days."""

    @dg.asset(
        group_name=GROUP,
        owners=OWNERS,
        kinds={"pyspark", "parquet"},
        io_manager_key="processed_parquet",
        partitions_def=days,
        backfill_policy=YEARLY_BACKFILL,
        pool="spark",
        code_version="1",
        metadata={"grain": "one row per ticker and session, in one object per session"},
    )
    def processed_stock_prices(
        context: dg.AssetExecutionContext,
        raw_stock_prices: Sequence[RawRun],
        raw_erp_companies: ErpSnapshot,
        lake: LakeResource,
        spark: SparkResource,
    ) -> dg.MaterializeResult[StagedBatch]:
        """Prices as traded, corporate actions, and rejected records with their reasons.

        One Spark batch per run writes and measures all sessions under a staging prefix. From there
        the sessions are published one by one, each atomically.
        """
        keys = session_keys(context, days)
        symbols = raw_erp_companies.records["TICKER"].to_pylist()
        request = job_request(lake.root, keys, symbols, raw_stock_prices)
        batch_id = request["batch_id"]
        # If the run repeats the step, the first batch may still be writing.
        attempt = f"{context.run.run_id}-{uuid.uuid4().hex[:8]}"
        staging = lake.paths.staging(batch_id, attempt)
        files.write(f"{staging}/request.json", orjson.dumps(request))
        context.log.info(f"batch {batch_id}: {len(keys)} sessions, staging {staging}")
        spark_batch = SparkBatch(batch_id, f"{staging}/request.json", staging)
        done = spark.run(context, spark_batch)
        if done.output_uri != staging:
            files.delete(staging)
        return dg.MaterializeResult(
            value=read_staged(batch_id, done.output_uri),
            metadata={
                "engine": done.engine,
                "run_spark_seconds": round(done.duration_s, 3),
                **batch_metadata(done.metadata),
            },
        )

    return processed_stock_prices

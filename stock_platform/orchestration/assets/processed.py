"""Asset of the processed layer: validated, as-traded Parquet from the Spark job."""

import hashlib
import uuid
from collections.abc import Iterable, Mapping
from typing import Final

import dagster as dg
import orjson

from stock_platform.erp.store import ErpSnapshot
from stock_platform.lake import files
from stock_platform.lake.publish import StagedBatch, read_staged
from stock_platform.orchestration.assets.common import OWNERS, session_keys
from stock_platform.orchestration.metadata import batch_metadata
from stock_platform.orchestration.partitions import YEARLY_BACKFILL
from stock_platform.orchestration.resources import LakeResource, SparkResource
from stock_platform.spark.batch import JOB_FILE, SparkBatch

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
        raw_stock_prices: dict[str, str],
        raw_erp_companies: ErpSnapshot,
        lake: LakeResource,
        spark: SparkResource,
    ) -> dg.MaterializeResult[StagedBatch]:
        """Prices as traded, corporate actions, and rejected records with their reasons.

        One Spark batch per run writes and measures all sessions under a staging prefix. From there
        the sessions are published one by one, each atomically.
        """
        keys = session_keys(context, days)
        symbols = sorted(set(raw_erp_companies.records["TICKER"].to_pylist()))
        batch_id = _batch_id(lake.root, keys, symbols, raw_stock_prices)
        # If the run repeats the step, the first batch may still be writing.
        attempt = f"{context.run.run_id}-{uuid.uuid4().hex[:8]}"
        staging = lake.paths.staging(batch_id, attempt)
        request = {"batch_id": batch_id, "inputs": raw_stock_prices, "symbols": symbols}
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


def _batch_id(lake: str, keys: list[str], symbols: Iterable[str], inputs: Mapping[str, str]) -> str:
    """Derive the id of a batch from its inputs: lake, code, universe and raw bytes.

    Equal inputs give equal ids and equal rows. The lake is included so that a copied lake never
    uses the batches of the original. The id matches Dataproc's pattern
    ``[a-z0-9][a-z0-9-]{2,61}[a-z0-9]``.
    """
    digest = hashlib.sha256(f"{lake}\n".encode() + JOB_FILE.read_bytes())
    for symbol in symbols:
        digest.update(symbol.encode() + b"\n")
    contents = files.map_concurrently(files.read, [inputs[key] for key in keys])
    for key, content in zip(keys, contents, strict=True):
        digest.update(key.encode() + hashlib.sha256(content).digest())
    first, last = (key.replace("-", "") for key in (keys[0], keys[-1]))
    return f"stock-prices-{first}-{last}-{digest.hexdigest()[:12]}"

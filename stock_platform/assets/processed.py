"""The processed layer: validated, as-traded Parquet, made by the Spark job."""

import hashlib
import uuid
from collections.abc import Iterable, Mapping
from typing import Final

import dagster as dg
import orjson

from stock_platform.assets.common import OWNERS, session_keys
from stock_platform.display import batch_facts
from stock_platform.lake import files
from stock_platform.lake.publish import StagedBatch, read_staged
from stock_platform.lake.raw_erp import ErpFacts
from stock_platform.partitions import RANGE_RUNS
from stock_platform.resources import LakeResource, SparkResource
from stock_platform.spark.batch import JOB_FILE, SparkBatch

GROUP: Final = "processed"


def processed_stock_prices_asset(days: dg.TimeWindowPartitionsDefinition) -> dg.AssetsDefinition:
    """The asset that runs the Spark job, over the deployment's trading days."""

    @dg.asset(
        group_name=GROUP,
        owners=OWNERS,
        kinds={"pyspark", "parquet"},
        io_manager_key="processed_parquet",
        partitions_def=days,
        backfill_policy=RANGE_RUNS,
        pool="spark",
        code_version="1",
        metadata={"grain": "one ticker and session, in an object a session"},
    )
    def processed_stock_prices(
        context: dg.AssetExecutionContext,
        raw_stock_prices: dict[str, str],
        raw_erp_companies: ErpFacts,
        lake: LakeResource,
        spark: SparkResource,
    ) -> dg.MaterializeResult[StagedBatch]:
        """Prices as traded, corporate actions, and every rejected record with its reason.

        One Spark batch for the range writes a staging prefix and measures it; the sessions are
        published from there, some at a time, each whole.
        """
        keys = session_keys(context, days)
        symbols = sorted(set(raw_erp_companies.facts["TICKER"].to_pylist()))
        batch_id = _batch_id(lake.root, keys, symbols, raw_stock_prices)
        # A step that is executed again by its own run may find its first batch still writing.
        attempt = f"{context.run.run_id}-{uuid.uuid4().hex[:8]}"
        staging = lake.paths.staging(batch_id, attempt)
        request = {"batch_id": batch_id, "inputs": raw_stock_prices, "symbols": symbols}
        files.write(f"{staging}/request.json", orjson.dumps(request))
        context.log.info(f"batch {batch_id}: {len(keys)} sessions, staging {staging}")
        spark_batch = SparkBatch(batch_id, f"{staging}/request.json", staging)
        done = spark.runner(context).run(spark_batch, context.log.info)
        if done.output_uri != staging:
            files.delete(staging)
        return dg.MaterializeResult(
            value=read_staged(batch_id, done.output_uri),
            metadata={
                "engine": done.engine,
                "run_spark_seconds": round(done.duration_s, 3),
                **batch_facts(done.facts),
            },
        )

    return processed_stock_prices


def _batch_id(lake: str, keys: list[str], symbols: Iterable[str], inputs: Mapping[str, str]) -> str:
    """Identify a batch by what goes into it: the lake, the code, the universe and the raw bytes.

    The same inputs give the same id, and with it the same rows; two lakes in a project, one copied
    from the other, never take each other's batches. The form fits Dataproc's pattern for batch
    ids, ``[a-z0-9][a-z0-9-]{2,61}[a-z0-9]``.
    """
    digest = hashlib.sha256(f"{lake}\n".encode() + JOB_FILE.read_bytes())
    for symbol in symbols:
        digest.update(symbol.encode() + b"\n")
    contents = files.each(files.read, [inputs[key] for key in keys])
    for key, content in zip(keys, contents, strict=True):
        digest.update(key.encode() + hashlib.sha256(content).digest())
    first, last = (key.replace("-", "") for key in (keys[0], keys[-1]))
    return f"stock-prices-{first}-{last}-{digest.hexdigest()[:12]}"

"""Asset of the processed layer: versions of as-traded prices from the Spark job."""

from collections.abc import Iterator, Sequence
from typing import Final

import dagster as dg

from stock_platform.erp.store import ErpSnapshot
from stock_platform.lake.commits import Commit
from stock_platform.lake.raw_runs import RawRun
from stock_platform.orchestration.assets.common import OWNERS, session_keys
from stock_platform.orchestration.batches import (
    BatchRunner,
    CheckResults,
    judge_committed,
)
from stock_platform.orchestration.checks.factory import checks_before_commit
from stock_platform.orchestration.checks.partitioned_results import session_check_result
from stock_platform.orchestration.dagster_internals.check_evaluations import (
    latest_materializations,
)
from stock_platform.orchestration.metadata import batch_metadata
from stock_platform.orchestration.partitions import YEARLY_BACKFILL
from stock_platform.orchestration.pending import pending_batches
from stock_platform.orchestration.resources import LakeResource, SparkResource, StepContext
from stock_platform.plain_text import pluralise
from stock_platform.settings.quality import QualityLimits

GROUP: Final = "processed"
NAME: Final = "processed_stock_prices"
_MAX_LISTED: Final = 20
_DESCRIPTION: Final = """\
Prices as traded, corporate actions, and rejected records with their reasons.

One Spark batch per run compares all raw runs of its sessions with the current rows, and adds what
is new or different. Nothing is overwritten. The blocking checks judge the batch before it is
committed: a batch that fails one never exists for anybody else.
"""


def processed_stock_prices_asset(
    days: dg.TimeWindowPartitionsDefinition, limits: QualityLimits
) -> dg.AssetsDefinition:
    """Build the asset that runs the Spark job over the deployment's trading days."""

    @dg.multi_asset(
        name=NAME,
        group_name=GROUP,
        outs={
            NAME: dg.AssetOut(
                is_required=False,
                dagster_type=Commit,
                io_manager_key="processed_parquet",
                owners=OWNERS,
                kinds={"pyspark", "parquet"},
                description=_DESCRIPTION,
                code_version="2",
                metadata={"grain": "one version per change of a security and session"},
            )
        },
        partitions_def=days,
        backfill_policy=YEARLY_BACKFILL,
        pool="spark",
        check_specs=checks_before_commit(NAME, days),
        # The checks can be left out, and executed alone.
        can_subset=True,
    )
    def processed_stock_prices(
        context: dg.AssetExecutionContext,
        raw_stock_prices: Sequence[RawRun],  # noqa: ARG001 - fails if a session has no usable run
        raw_erp_companies: ErpSnapshot,
        lake: LakeResource,
        spark: SparkResource,
    ) -> Iterator[dg.MaterializeResult[Commit] | dg.AssetCheckResult]:
        """Process the sessions, after those that a run has fetched before it died."""
        keys = session_keys(context, days)
        if not context.selected_asset_keys:
            yield from _check_results(context, [judge_committed(lake.paths, keys, limits)])
            return
        runner = batch_runner(context, lake, spark, raw_erp_companies, limits)
        partitions = days.get_partition_keys()
        caught_up = runner.catch_up(pending_batches(lake.paths, partitions, keys, context.log))
        own = runner.process(keys)
        if own.commit.kind == "batch":
            yield dg.MaterializeResult(value=own.commit, metadata=batch_metadata(own.metadata))
        yield from _check_results(
            context, [batch.results for batch in [*caught_up, own] if not batch.commit.securities]
        )
        if own.commit.reasons:
            raise dg.Failure(
                "\n".join(
                    [
                        f"Batch {own.commit.batch_id} was refused; nothing of it was stored:",
                        *own.commit.reasons[:_MAX_LISTED],
                        f"{pluralise(len(own.commit.reasons), 'reason')} in all. See the checks.",
                    ]
                ),
                allow_retries=False,
            )

    return processed_stock_prices


def batch_runner(
    context: StepContext,
    lake: LakeResource,
    spark: SparkResource,
    companies: ErpSnapshot,
    limits: QualityLimits,
) -> BatchRunner:
    """Return the runner of batches of a step."""
    return BatchRunner(
        lake.paths,
        lambda batch: spark.run(context, batch),
        context.run.run_id,
        context.log,
        companies.records["TICKER"].to_pylist(),
        limits,
    )


def _check_results(
    context: dg.AssetExecutionContext, batches: Sequence[CheckResults]
) -> Iterator[dg.AssetCheckResult]:
    """Store the results of the selected checks by session, and return those of the run."""
    selected = sorted(context.selected_asset_check_keys)
    results = {
        key: {session: result for batch in batches for session, result in batch[key.name].items()}
        for key in selected
    }
    sessions = {session for by_session in results.values() for session in by_session}
    targets = latest_materializations(context.instance, dg.AssetKey(NAME), sorted(sessions))
    for key in selected:
        yield session_check_result(context, key, results[key], targets, blocking=True)

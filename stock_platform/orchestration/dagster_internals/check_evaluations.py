"""Evaluations of asset checks per partition, which Dagster 1.13 cannot store in a range run.

Dagster stores a check result for a partition only if the run has exactly that partition. In a
range run we log one evaluation per session ourselves, each with its target materialization, whose
class is private.
"""

from collections.abc import Iterable, Mapping, Sequence

import dagster as dg
from dagster._core.definitions.asset_checks.asset_check_evaluation import (
    AssetCheckEvaluationTargetMaterializationData as TargetMaterialization,
)

Targets = Mapping[str, TargetMaterialization]


def log_evaluations(
    context: dg.AssetCheckExecutionContext | dg.AssetExecutionContext,
    evaluations: Iterable[dg.AssetCheckEvaluation],
) -> None:
    """Store evaluations in the event log, the way Dagster stores those of its own results."""
    for evaluation in evaluations:
        # Only the annotation of log_event excludes evaluations.
        context.op_execution_context.log_event(evaluation)  # type: ignore[arg-type]


def latest_materializations(
    instance: dg.DagsterInstance, asset: dg.AssetKey, sessions: Sequence[str]
) -> Targets:
    """Return the latest materialization of each session, which is the target of an evaluation.

    Without a target, Dagster attributes an evaluation to an older materialization and hides it.
    """
    targets: dict[str, TargetMaterialization] = {}
    unseen = set(sessions)
    while unseen:
        # Newest first. A session that was materialized often may fill a page: ask again.
        page = instance.fetch_materializations(
            dg.AssetRecordsFilter(asset_key=asset, asset_partitions=sorted(unseen)),
            limit=len(unseen),
        )
        for record in page.records:
            if record.partition_key in unseen:
                unseen.remove(record.partition_key)
                targets[record.partition_key] = TargetMaterialization(
                    storage_id=record.storage_id,
                    run_id=record.event_log_entry.run_id,
                    timestamp=record.timestamp,
                )
        if not page.records:
            break
    return targets

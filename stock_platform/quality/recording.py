"""Recording verdicts so that each partition has its own, in single runs and range runs alike.

Dagster 1.13 stores a check's result for a partition only when the run is of that single
partition. In a range run this module writes one evaluation for each session, which needs one
private class: it is imported here and nowhere else.
"""

from collections.abc import Iterator, Mapping, Sequence

import dagster as dg
from dagster._core.definitions.asset_checks.asset_check_evaluation import (
    AssetCheckEvaluationTargetMaterializationData as TargetMaterialization,
)

from stock_platform.orchestration.dagster_internals.event_transaction import one_transaction
from stock_platform.quality.rules.verdict import Verdict

# A check that fails everywhere must not bury the others.
_LOGGED = 5
# Verdicts: others wait for a transaction, and 3 ms each make 0.75 s.
_A_TRANSACTION = 252

Targets = Mapping[str, TargetMaterialization]


def result(check: dg.AssetCheckKey, verdict: Verdict) -> dg.AssetCheckResult:
    """A verdict as Dagster's result."""
    return dg.AssetCheckResult(
        asset_key=check.asset_key,
        check_name=check.name,
        passed=verdict.passed,
        severity=_severity(verdict),
        description=verdict.says,
        metadata=_metadata(verdict),
    )


def sessions_result(
    context: dg.AssetCheckExecutionContext,
    check: dg.AssetCheckKey,
    verdicts: Mapping[str, Verdict],
    targets: Targets,
    *,
    blocking: bool,
) -> dg.AssetCheckResult:
    """The result of a check over the sessions of a run, and of their neighbours.

    A single session's verdict is returned, and Dagster stores it. Of a range one evaluation is
    recorded for each session, and what is returned sums them up; the sum decides whether a
    blocking check stops what is downstream. Neighbours are recorded alone.
    """
    _log_failures(context, check, verdicts)
    own = {it: verdicts[it] for it in sorted(context.partition_keys)}
    if context.has_partition_key:
        beside = {it: verdicts[it] for it in verdicts if it not in own}
        _record(context, check, beside, targets, blocking=blocking)
        return result(check, own[context.partition_key])
    _record(context, check, verdicts, targets, blocking=blocking)
    return result(check, _sum(own))


def _log_failures(
    context: dg.AssetCheckExecutionContext, check: dg.AssetCheckKey, verdicts: Mapping[str, Verdict]
) -> None:
    """Name what fails where a person reads along; the rest is in the evaluations."""
    failed = [(session, verdict) for session, verdict in verdicts.items() if not verdict.passed]
    for session, verdict in failed[:_LOGGED]:
        log = context.log.warning if verdict.tolerable else context.log.error
        asset, sample = check.asset_key.to_user_string(), "; ".join(verdict.sample[:1])
        log(f"{asset} {check.name} {session}: {verdict.says}{' - ' if sample else ''}{sample}")
    if len(failed) > _LOGGED:
        context.log.warning(f"{check.name}: {len(failed) - _LOGGED} more sessions fail")


def _record(
    context: dg.AssetCheckExecutionContext,
    check: dg.AssetCheckKey,
    verdicts: Mapping[str, Verdict],
    targets: Targets,
    *,
    blocking: bool,
) -> None:
    items = list(verdicts.items())
    for at in range(0, len(items), _A_TRANSACTION):
        with one_transaction(context.instance):
            _log(context, check, dict(items[at : at + _A_TRANSACTION]), targets, blocking=blocking)


def _log(
    context: dg.AssetCheckExecutionContext,
    check: dg.AssetCheckKey,
    verdicts: Mapping[str, Verdict],
    targets: Targets,
    *,
    blocking: bool,
) -> None:
    for session, verdict in verdicts.items():
        # Logging an evaluation works and is how Dagster's own results are stored; only the
        # annotation of log_event leaves it out.
        context.op_execution_context.log_event(
            dg.AssetCheckEvaluation(
                asset_key=check.asset_key,
                check_name=check.name,
                passed=verdict.passed,
                metadata=_metadata(verdict),
                severity=_severity(verdict),
                description=verdict.says,
                partition=session,
                blocking=blocking,
                target_materialization_data=targets.get(session),
            )  # type: ignore[arg-type]
        )


def latest_materializations(
    instance: dg.DagsterInstance, asset: dg.AssetKey, sessions: Sequence[str]
) -> Targets:
    """The latest materialization of each session: what an evaluation is about.

    Without it Dagster takes an evaluation for one of an older materialization and shows none.
    """
    targets: dict[str, TargetMaterialization] = {}
    for record in _materializations(instance, asset, sessions):
        session = record.partition_key
        if session is not None and session not in targets:
            targets[session] = TargetMaterialization(
                storage_id=record.storage_id,
                run_id=record.event_log_entry.run_id,
                timestamp=record.timestamp,
            )
    return targets


def _materializations(
    instance: dg.DagsterInstance, asset: dg.AssetKey, sessions: Sequence[str]
) -> Iterator[dg.EventLogRecord]:
    """Materializations of the sessions, the newest first, until each session was seen."""
    unseen = set(sessions)
    while unseen:
        page = instance.fetch_materializations(
            dg.AssetRecordsFilter(asset_key=asset, asset_partitions=sorted(unseen)),
            limit=len(unseen),
        )
        if not page.records:
            return
        yield from page.records
        unseen -= {record.partition_key for record in page.records if record.partition_key}


def _sum(verdicts: Mapping[str, Verdict]) -> Verdict:
    failed = {session: verdict for session, verdict in verdicts.items() if not verdict.passed}
    return Verdict(
        offending=sum(verdict.offending for verdict in failed.values()),
        says=f"{len(failed)} of {len(verdicts)} sessions of this run fail",
        tolerable=bool(failed) and all(verdict.tolerable for verdict in failed.values()),
        sample=tuple(f"{session}: {verdict.says}" for session, verdict in failed.items())[:20],
    )


def _severity(verdict: Verdict) -> dg.AssetCheckSeverity:
    warns = verdict.tolerable and not verdict.passed
    return dg.AssetCheckSeverity.WARN if warns else dg.AssetCheckSeverity.ERROR


def _metadata(verdict: Verdict) -> dict[str, int | list[str]]:
    if not verdict.sample:
        return {"offending": verdict.offending}
    return {"offending": verdict.offending, "sample": list(verdict.sample)}

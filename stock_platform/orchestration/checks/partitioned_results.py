"""Results of rules as results of Dagster: one per session, in single runs and range runs alike."""

from collections.abc import Mapping
from typing import Any, Final

import dagster as dg

from stock_platform.orchestration.dagster_internals.check_evaluations import (
    Targets,
    log_evaluations,
)
from stock_platform.orchestration.dagster_internals.event_transaction import one_transaction
from stock_platform.plain_text import plain_text
from stock_platform.quality.rules.result import RuleResult

Context = dg.AssetCheckExecutionContext | dg.AssetExecutionContext

# A check that fails for every session must not hide the others in the log.
_MAX_LOGGED_FAILURES: Final = 5
_MAX_SUMMARIZED_FAILURES: Final = 20
# Other writers wait for a transaction; at 3 ms per result it takes 0.75 s.
_RESULTS_PER_TRANSACTION: Final = 252


def check_result(check: dg.AssetCheckKey, result: RuleResult) -> dg.AssetCheckResult:
    """Convert the result of a rule to a result of Dagster."""
    return dg.AssetCheckResult(**_fields(check, result))


def session_check_result(
    context: Context,
    check: dg.AssetCheckKey,
    results: Mapping[str, RuleResult],
    targets: Targets,
    *,
    blocking: bool,
) -> dg.AssetCheckResult:
    """Store the results of a check by session, and return the result of the run.

    In a run of one session its result is returned, and Dagster stores it. In a range run the
    result of every session is stored here and their summary is returned, which decides whether a
    blocking check stops downstream assets. Results of other sessions are only stored.
    """
    _log_failures(context, check, results)
    own = {session: results[session] for session in sorted(context.partition_keys)}
    is_single = context.has_partition_key
    evaluations = [
        dg.AssetCheckEvaluation(
            **_fields(check, result),
            partition=session,
            blocking=blocking,
            target_materialization_data=targets.get(session),
        )
        for session, result in results.items()
        if not (is_single and session in own)
    ]
    for start in range(0, len(evaluations), _RESULTS_PER_TRANSACTION):
        with one_transaction(context.instance):
            log_evaluations(context, evaluations[start : start + _RESULTS_PER_TRANSACTION])
    return check_result(check, own[context.partition_key] if is_single else _summary(own))


def _log_failures(
    context: Context,
    check: dg.AssetCheckKey,
    results: Mapping[str, RuleResult],
) -> None:
    failed = [(session, result) for session, result in results.items() if not result.passed]
    for session, result in failed[:_MAX_LOGGED_FAILURES]:
        log = context.log.warning if result.warn_only else context.log.error
        text = " - ".join([result.summary, *_plain_examples(result)[:1]])
        log(f"{check.asset_key.to_user_string()} {check.name} {session}: {text}")
    if len(failed) > _MAX_LOGGED_FAILURES:
        more = len(failed) - _MAX_LOGGED_FAILURES
        context.log.warning(f"{check.name} failed for {more} more sessions")


def _summary(results: Mapping[str, RuleResult]) -> RuleResult:
    failed = {session: result for session, result in results.items() if not result.passed}
    examples = [f"{session}: {result.summary}" for session, result in failed.items()]
    return RuleResult(
        sum(result.failure_count for result in failed.values()),
        f"{len(failed)} of {len(results)} sessions of this run failed",
        warn_only=all(result.warn_only for result in failed.values()),
        examples=tuple(examples[:_MAX_SUMMARIZED_FAILURES]),
    )


def _plain_examples(result: RuleResult) -> list[str]:
    # Examples quote records and files.
    return [plain_text(example) for example in result.examples]


def _fields(check: dg.AssetCheckKey, result: RuleResult) -> dict[str, Any]:
    warns = result.warn_only and not result.passed
    # Stored events and logs have these names; `check_results.collect` reads them.
    metadata: dict[str, Any] = {"offending": result.failure_count}
    if result.examples:
        metadata["sample"] = _plain_examples(result)
    return {
        "asset_key": check.asset_key,
        "check_name": check.name,
        "passed": result.passed,
        "severity": dg.AssetCheckSeverity.WARN if warns else dg.AssetCheckSeverity.ERROR,
        "description": result.summary,
        "metadata": metadata,
    }

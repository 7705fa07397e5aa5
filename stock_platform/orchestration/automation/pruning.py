"""The job that prunes Dagster's event log.

Dagster's own retention covers ticks only. Its API deletes a run with all of its events, including
the materializations that define partition status and the run keys used by schedules. So this job
deletes only the events that explain a run, once the run has succeeded long ago: log messages,
inputs and outputs, and check evaluations, of which the check pages and asset_check_result have
their own copies (docs/adr/0011). Other runs keep all events: an engine event may be the only
explanation of a process that did not start, and re-execution needs outputs and evaluations.
"""

from datetime import UTC, datetime, timedelta
from typing import Final

import dagster as dg

from stock_platform.lake import check_results
from stock_platform.orchestration.dagster_internals.event_pruning import prune_events
from stock_platform.orchestration.resources import LakeResource
from stock_platform.plain_text import pluralise

# People inspect recent runs for weeks, but not for longer than a month.
_RETENTION: Final = timedelta(days=30)
# Check results are collected run by run; a run that ended meanwhile is collected the next time.
_COLLECTION_MARGIN: Final = timedelta(days=1)


@dg.op(out=dg.Out(dg.Nothing))
def prune(context: dg.OpExecutionContext, lake: LakeResource) -> None:
    """Delete prunable events of runs that succeeded a month ago and were collected."""
    collected = check_results.newest(lake.paths)
    if collected is None:
        context.log.info("no check results were collected yet: nothing is pruned")
        return
    before = min(datetime.now(UTC) - _RETENTION, collected - _COLLECTION_MARGIN)
    deleted = prune_events(context.instance, before)
    context.log.info(
        f"deleted {pluralise(deleted, 'event')} of runs that succeeded before {before:%Y-%m-%d}"
    )


@dg.job(
    name="prune_event_logs",
    description="Deletes log events of runs that succeeded a month ago. Keeps partition status.",
)
def prune_event_logs() -> None:
    """Run the single step."""
    prune()

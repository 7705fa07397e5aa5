"""The jobs that make damaged objects of the lake again from the layer before.

`rebuild_raw_prices` makes records from the responses of their run. `rebuild_processed_prices` runs
the batches again whose versions were in damaged parts. They verify every object of their layer and
every copy of a commit, and change nothing that is intact.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import dagster as dg

from stock_platform.erp import store as erp_store
from stock_platform.errors import StockPlatformError
from stock_platform.lake import commits, files
from stock_platform.lake.commits import Commit, Part
from stock_platform.lake.files import CorruptObjectError
from stock_platform.lake.paths import ProcessedTable
from stock_platform.lake.processed import (
    ProcessedState,
    damage,
    part_uri,
    read_state,
    replace_parts,
)
from stock_platform.lake.rebuild_raw import rebuild_records
from stock_platform.orchestration.assets.processed import batch_runner
from stock_platform.orchestration.batches import BatchRunner
from stock_platform.orchestration.resources import LakeResource, SparkResource
from stock_platform.plain_text import pluralise
from stock_platform.settings.quality import QualityLimits


@dg.op(pool="yahoo", out=dg.Out(dg.Nothing))
def rebuild_raw_records(context: dg.OpExecutionContext, lake: LakeResource) -> None:
    """Make the damaged record objects of all raw runs again."""
    result = rebuild_records(lake.paths)
    for uri in result.objects:
        context.log.info(f"made again from its responses: {uri}")
    _end(context, len(result.objects), result.problems)


@dg.job(
    name="rebuild_raw_prices",
    description="Makes damaged raw records again from the responses of their runs.",
)
def rebuild_raw_prices() -> None:
    """Run the single step."""
    rebuild_raw_records()


def rebuild_processed_prices_job(limits: QualityLimits) -> dg.JobDefinition:
    """Build the job with the thresholds of the deployment."""

    @dg.op(pool="spark", out=dg.Out(dg.Nothing))
    def rebuild_processed_parts(
        context: dg.OpExecutionContext, lake: LakeResource, spark: SparkResource
    ) -> None:
        """Restore damaged commits and copies, and run the batches of damaged parts again."""
        paths = lake.paths
        for uri in commits.restore(paths):
            context.log.info(f"restored from its copy: {uri}")
        state = read_state(paths)
        damaged = list(damage(paths, state.parts()))
        if not damaged:
            context.log.info("every part is intact")
            return
        companies = erp_store.load(paths, "companies")
        runner = batch_runner(context, lake, spark, companies, limits)
        repaired, problems = _rebuild(runner, state, damaged)
        _end(context, repaired, problems)

    @dg.job(
        name="rebuild_processed_prices",
        description=(
            "Makes damaged or lost objects of the processed layer again from the raw runs. "
            "Changes nothing that is intact."
        ),
    )
    def rebuild_processed_prices() -> None:
        rebuild_processed_parts()

    return rebuild_processed_prices


def _rebuild(
    runner: BatchRunner, state: ProcessedState, damaged: Sequence[Part]
) -> tuple[int, list[str]]:
    """Run the batches of damaged parts again, in order, and replace these parts."""
    paths, problems = runner.paths, []
    for part in damaged:
        files.move_aside(part_uri(paths, part))
    broken = set(damaged)
    intact = [part for part in state.parts() if part not in broken]
    added: list[Part] = []
    failed: set[tuple[ProcessedTable, int]] = set()
    for batch in state.batches:
        lost = [part for part in batch.parts if broken.intersection(state.holders(part))]
        if not lost:
            continue
        wanted = {(part.table, part.year): part.rows for part in lost}
        try:
            added += _made_again(runner, batch, wanted, [*intact, *added])
        except StockPlatformError as error:
            problems.append(str(error))
            failed.update(wanted)
    removed = [part for part in damaged if (part.table, part.year) not in failed]
    kept = [part for part in added if (part.table, part.year) not in failed]
    if removed:
        owner = f"repair-{len(state.commits)}"
        replace_parts(paths, owner, removed, kept, datetime.now(UTC))
    return len(removed), problems


def _made_again(
    runner: BatchRunner,
    batch: Commit,
    wanted: Mapping[tuple[ProcessedTable, int], int],
    base: Sequence[Part],
) -> list[Part]:
    """Run a batch again. Return its parts of the wanted tables and years, with as many rows."""
    made = {(part.table, part.year): part for part in runner.run_again(batch, base)}
    for (table, year), expected in wanted.items():
        found = made[table, year].rows if (table, year) in made else 0
        if found != expected:
            raise CorruptObjectError(
                f"batch {batch.batch_id} gives {found:,} versions of {table} in {year} instead of "
                f"{expected:,}: the Spark job or its raw runs have changed since; restore the part "
                "itself"
            )
    return [made[key] for key in wanted]


def _end(context: dg.OpExecutionContext, done: int, problems: Sequence[str]) -> None:
    context.log.info(f"{pluralise(done, 'damaged object')} made again")
    if problems:
        raise dg.Failure("\n".join(["Not everything could be made again:", *problems]))

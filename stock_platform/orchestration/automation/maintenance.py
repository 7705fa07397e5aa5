"""The job that keeps the processed layer small: compaction, then removal of leftovers."""

from datetime import UTC, datetime

import dagster as dg

from stock_platform.lake import compaction
from stock_platform.orchestration.resources import LakeResource
from stock_platform.plain_text import pluralise


# The pool of the Spark batches: none of them is writing parts meanwhile.
@dg.op(pool="spark", out=dg.Out(dg.Nothing))
def compact_and_sweep(context: dg.OpExecutionContext, lake: LakeResource) -> None:
    """Replace many small parts by one per year, and delete objects that nothing lists."""
    now = datetime.now(UTC)
    done = compaction.compact(lake.paths, now)
    if done is None:
        context.log.info("no year has many parts")
    else:
        removed, added = pluralise(len(done.removed), "part"), len(done.parts)
        context.log.info(f"commit {done.sequence} replaces {removed} by {added:,}")
    swept = compaction.sweep(lake.paths, now)
    for uri in swept:
        context.log.info(f"deleted {uri}, which no commit lists")


@dg.job(
    name="maintain_processed_prices",
    description=(
        "Compacts the processed prices and deletes leftovers of interrupted batches. "
        "Changes no row."
    ),
)
def maintain_processed_prices() -> None:
    """Run the single step."""
    compact_and_sweep()

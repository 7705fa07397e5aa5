"""The job `backfill_securities`: the whole history of a few securities, and of nobody else.

It consists of operations and not of assets, so that it adds no event or check result to the
partitions of other securities: adding one symbol costs what one symbol costs.
"""

import dagster as dg
from pydantic import Field

from stock_platform.erp import store as erp_store
from stock_platform.lake import raw_run_writer, raw_runs
from stock_platform.lake.processed import read_state
from stock_platform.orchestration.assets.processed import batch_runner
from stock_platform.orchestration.fetch import plan_fetch, run_fetch
from stock_platform.orchestration.resources import (
    LakeResource,
    MarketDataResource,
    SparkResource,
    WarehouseResource,
)
from stock_platform.plain_text import pluralise
from stock_platform.settings.quality import QualityLimits
from stock_platform.warehouse.load import apply_pending


class BackfillConfig(dg.Config):
    """Run configuration of the job."""

    symbols: list[str] = Field(
        min_length=1, description="Symbols of the securities, as in the ERP."
    )


def backfill_securities_job(limits: QualityLimits) -> dg.JobDefinition:
    """Build the job with the thresholds of the deployment."""

    @dg.op(pool="yahoo")
    def fetch_securities(
        context: dg.OpExecutionContext,
        config: BackfillConfig,
        lake: LakeResource,
        market_data: MarketDataResource,
    ) -> str:
        """Fetch every processed session of the securities, by one request per symbol."""
        sessions = read_state(lake.paths).sessions
        if not sessions:
            raise dg.Failure("no session was processed yet: materialize daily_stock_prices first")
        companies = erp_store.load(lake.paths, "companies")
        fetch = plan_fetch(companies, sessions, config.symbols)
        run = run_fetch(context, lake.paths, market_data, fetch, limits)
        raw_run_writer.commit(lake.paths, run)
        if run.refused:
            raise dg.Failure("\n".join(["The answers were refused:", *run.refused]))
        return str(run.name)

    @dg.op(pool="spark")
    def process_securities(
        context: dg.OpExecutionContext, name: str, lake: LakeResource, spark: SparkResource
    ) -> str:
        """Compare all records of the securities with their current rows."""
        run = raw_runs.find_run(lake.paths, name)
        companies = erp_store.load(lake.paths, "companies")
        runner = batch_runner(context, lake, spark, companies, limits)
        commit = runner.process(run.sessions, run.securities).commit
        if commit.reasons:
            raise dg.Failure("\n".join(["The batch was refused:", *commit.reasons]))
        prices, actions = commit.rows("stock_prices"), commit.rows("corporate_actions")
        context.log.info(
            f"{pluralise(prices, 'price')} and {pluralise(actions, 'corporate action')} are new "
            f"or different in {commit.batch_id}"
        )
        context.add_output_metadata({"prices": prices, "corporate_actions": actions})
        return commit.batch_id

    @dg.op(pool="warehouse", out=dg.Out(dg.Nothing))
    def load_securities(
        context: dg.OpExecutionContext,
        batch_id: str,
        lake: LakeResource,
        warehouse: WarehouseResource,
    ) -> None:
        """Apply the batch, and every other that the warehouse lacks."""
        applied = apply_pending(lake.paths, warehouse.open(), read_state(lake.paths))
        if reason := applied.skipped.get(batch_id):
            raise dg.Failure(f"batch {batch_id} was not loaded: {reason}", allow_retries=False)
        for table, load in applied.loads.items():
            context.log.info(
                f"{batch_id}: {table}: {pluralise(load.rows, 'row')} loaded, "
                f"{load.replaced:,} replaced"
            )

    @dg.job(
        name="backfill_securities",
        description=(
            "Fetches, processes and loads the whole history of some securities. Configuration: "
            "symbols. Changes no row of other securities."
        ),
    )
    def backfill_securities() -> None:
        load_securities(process_securities(fetch_securities()))

    return backfill_securities

"""IO manager for raw JSON: price records by run, ERP records by generation."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

import dagster as dg

from stock_platform.erp import store
from stock_platform.erp.store import ErpSnapshot
from stock_platform.errors import StockPlatformError
from stock_platform.lake import files, raw_attempts, raw_run_writer, raw_runs
from stock_platform.lake.migrate_raw import UnmigratedError, unmigrated_sessions
from stock_platform.lake.paths import LakePaths
from stock_platform.lake.raw_runs import RawRun
from stock_platform.orchestration.resources import LakeResource
from stock_platform.plain_text import pluralise

_MAX_LISTED: Final = 5


class RawJsonIOManager(dg.ConfigurableIOManager):
    """Completes a `RawRun` by its manifest.

    Loads the usable runs with a session of the requested partitions, or the records of the ERP.
    """

    lake: LakeResource

    def handle_output(self, context: dg.OutputContext, obj: RawRun) -> None:
        """Write the manifest of the run, and remove abandoned runs."""
        raw_run_writer.commit(self.lake.paths, obj)
        for reason in obj.refused:
            context.log.error(f"this run is kept, but never processed: {reason}")
        total: Counter[str] = Counter()
        for session in context.asset_partition_keys:
            outcomes = obj.outcomes(session)
            total.update(outcomes)
            context.step_context.add_asset_metadata(
                {
                    "dagster/row_count": sum(outcomes.values()),
                    "dagster/uri": obj.uri,
                    **{f"outcome_{name}": count for name, count in sorted(outcomes.items())},
                },
                partition_key=session,
            )
        summary = ", ".join(f"{count:,} {outcome}" for outcome, count in total.most_common())
        context.log.info(
            f"stored {pluralise(len(obj.sessions), 'session')}: {summary or 'nothing'}"
        )
        context.add_output_metadata(
            {
                "run_outcomes": dg.MetadataValue.json(dict(total)),
                "run_objects": len(obj.manifest["objects"]) + 1,
                "run_refused": bool(obj.refused),
            }
        )
        try:
            for name in raw_attempts.remove_abandoned(self.lake.paths, datetime.now(UTC)):
                context.log.info(f"removed run {name}, which was never completed")
        except (StockPlatformError, OSError) as error:  # the run is complete nevertheless
            context.log.warning(f"abandoned runs were not removed: {error}")

    def load_input(self, context: dg.InputContext) -> Sequence[RawRun] | ErpSnapshot:
        """Return the usable runs of the requested partitions, or the records of the ERP.

        Raises:
            FileNotFoundError: a session was never fetched, or only by refused runs, or no ERP
                file was loaded.
        """
        paths = self.lake.paths
        if not context.has_asset_partitions:
            kind = context.asset_key.path[-1].removeprefix("raw_erp_")
            return store.load(paths, "companies" if kind == "companies" else "exchanges")
        return _usable_runs(paths, sorted(context.asset_partition_keys))


def _usable_runs(paths: LakePaths, sessions: Sequence[str]) -> list[RawRun]:
    unmigrated = [
        session
        for session in sorted(set(sessions).intersection(unmigrated_sessions(paths)))
        if files.exists(paths.raw_prices_0_1_0(session))
    ]
    if unmigrated:
        raise UnmigratedError(
            f"the lake has raw prices of version 0.1.0 ({unmigrated[0]}): run "
            "`stock-platform migrate`, which also names damaged objects (docs/upgrades.md)"
        )
    runs = raw_runs.runs_of(paths, sessions)
    usable = [run for run in runs if not run.refused]
    fetched = {session for run in usable if not run.securities for session in run.sessions}
    missing = [session for session in sessions if session not in fetched]
    if missing:
        more = " ..." if len(missing) > _MAX_LISTED else ""
        raise FileNotFoundError(
            f"raw_stock_prices has no usable partition {', '.join(missing[:_MAX_LISTED])}{more}: "
            f"{_reason(runs, missing[0])}"
        )
    return usable


def _reason(runs: Sequence[RawRun], session: str) -> str:
    of_session = [run for run in runs if session in run.sessions]
    refused: Mapping[str, list[str]] = {run.uri: run.refused for run in of_session if run.refused}
    if not refused:
        limited = " without a limit to some symbols" if of_session else ""
        return f"materialize it{limited} first"
    uri, reasons = list(refused.items())[-1]
    return f"its run {uri} was refused ({reasons[0]}); fetch it again"

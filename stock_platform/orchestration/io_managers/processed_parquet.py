"""IO manager for the processed layer: describes committed batches, and loads references."""

from typing import Any

import dagster as dg
import orjson

from stock_platform.lake.commits import Commit, SessionMetrics
from stock_platform.lake.processed import read_state
from stock_platform.lake.staging import written_rows
from stock_platform.orchestration.resources import LakeResource
from stock_platform.plain_text import pluralise


class ProcessedParquetIOManager(dg.ConfigurableIOManager):
    """Describes a batch that the asset has committed; loads the newest batch of each session."""

    lake: LakeResource

    def handle_output(self, context: dg.OutputContext, obj: Commit) -> None:
        """Add the metrics of each session to its materialization."""
        for session, metrics in obj.metrics.items():
            context.step_context.add_asset_metadata(
                _session_metadata(obj, metrics), partition_key=session
            )
        versions = sum(part.rows for part in obj.parts)
        context.log.info(
            f"{obj.batch_id}: {pluralise(versions, 'version')} of "
            f"{pluralise(len(obj.sessions), 'session')} in commit {obj.sequence}"
        )
        context.add_output_metadata({"run_versions": versions, "run_objects": len(obj.parts) + 1})

    def load_input(self, context: dg.InputContext) -> dict[str, Commit]:
        """Return the newest batch of each requested session.

        Raises:
            FileNotFoundError: a session was never processed.
        """
        state = read_state(self.lake.paths)
        return {key: state.newest(key) for key in context.asset_partition_keys}


def _session_metadata(batch: Commit, metrics: SessionMetrics) -> dict[str, Any]:
    quarantined = sum(metrics["quarantined"].values())
    changes = {
        f"{table}_{kind}": count
        for table, kinds in metrics["changes"].items()
        for kind, count in kinds.items()
        if count
    }
    metadata: dict[str, Any] = {
        "dagster/row_count": metrics["valid"],
        "lines_read": metrics["lines_read"],
        "quarantined": quarantined,
        "corporate_actions": metrics["corporate_actions"],
        "batch_id": batch.batch_id,
        "rows_written": written_rows(metrics, "stock_prices"),
        **changes,
        **{f"superseded_{name}": count for name, count in metrics["superseded"].items() if count},
    }
    if quarantined:
        reasons = orjson.dumps(metrics["quarantined"]).decode()
        metadata["quarantined_by_reason"] = dg.MetadataValue.text(reasons)
    return metadata

"""IO manager for processed Parquet: publishes a staged batch, and loads references."""

from typing import Any

import dagster as dg
import orjson

from stock_platform.lake import files
from stock_platform.lake.publish import (
    ProcessedSession,
    StagedBatch,
    publish,
    read_published,
)
from stock_platform.orchestration.resources import LakeResource
from stock_platform.plain_text import pluralise


class ProcessedParquetIOManager(dg.ConfigurableIOManager):
    """Publishes a `StagedBatch` session by session; loads `ProcessedSession`s."""

    lake: LakeResource

    def handle_output(self, context: dg.OutputContext, obj: StagedBatch) -> None:
        """Publish the batch. Idempotent, also after a crash."""
        for session, published in publish(self.lake.paths, obj):
            context.step_context.add_asset_metadata(
                _session_metadata(published), partition_key=session
            )
        context.log.info(f"published {pluralise(len(obj.sessions), 'session')} of {obj.batch_id}")

    def load_input(self, context: dg.InputContext) -> dict[str, ProcessedSession]:
        """Return the requested sessions.

        Raises:
            FileNotFoundError: a session was never processed.
        """
        keys = context.asset_partition_keys
        return dict(zip(keys, files.map_concurrently(self._published, keys), strict=True))

    def _published(self, key: str) -> ProcessedSession:
        try:
            return read_published(self.lake.paths, key)
        except FileNotFoundError as error:
            raise FileNotFoundError(
                f"processed_stock_prices has no partition {key}: materialize it first"
            ) from error


def _session_metadata(session: ProcessedSession) -> dict[str, Any]:
    metrics = session.manifest["metrics"]
    quarantined = sum(metrics["quarantined"].values())
    metadata: dict[str, Any] = {
        "dagster/row_count": metrics["valid"],
        "lines_read": metrics["lines_read"],
        "quarantined": quarantined,
        "corporate_actions": metrics["corporate_actions"],
        "batch_id": session.manifest["batch_id"],
        **{f"superseded_{name}": count for name, count in metrics["superseded"].items() if count},
    }
    if quarantined:
        reasons = orjson.dumps(metrics["quarantined"]).decode()
        metadata["quarantined_by_reason"] = dg.MetadataValue.text(reasons)
        metadata["quarantine"] = dg.MetadataValue.path(session.objects["quarantine"])
    return metadata

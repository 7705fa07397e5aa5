"""IO manager for raw JSON: price records by session, ERP records by generation."""

from collections import Counter

import dagster as dg

from stock_platform.erp import store
from stock_platform.erp.store import ErpSnapshot
from stock_platform.lake import files, raw_prices
from stock_platform.lake.raw_prices import RawPriceBuffer
from stock_platform.market_data.reconcile import choose_record
from stock_platform.orchestration.resources import LakeResource
from stock_platform.plain_text import pluralise


class RawJsonIOManager(dg.ConfigurableIOManager):
    """Publishes a `RawPriceBuffer` session by session.

    Loads the URIs of raw prices by session, or the records of the ERP.
    """

    lake: LakeResource

    def handle_output(self, context: dg.OutputContext, obj: RawPriceBuffer) -> None:
        """Publish the buffered records."""
        with obj as buffer:
            self._publish(context, buffer)

    def load_input(self, context: dg.InputContext) -> dict[str, str] | ErpSnapshot:
        """Return the URIs of the requested partitions, or the records of the ERP.

        Raises:
            FileNotFoundError: a session was never fetched, or no ERP file was loaded.
        """
        paths = self.lake.paths
        if not context.has_asset_partitions:
            kind = context.asset_key.path[-1].removeprefix("raw_erp_")
            return store.load(paths, "companies" if kind == "companies" else "exchanges")
        uris = {key: paths.raw_prices(key) for key in context.asset_partition_keys}
        exists = files.map_concurrently(files.exists, uris.values())
        missing = [key for key, found in zip(uris, exists, strict=True) if not found]
        if missing:
            raise FileNotFoundError(
                f"raw_stock_prices has no partition {', '.join(missing[:5])}"
                f"{' ...' if len(missing) > 5 else ''}: materialize it first"  # noqa: PLR2004
            )
        return uris

    def _publish(self, context: dg.OutputContext, buffer: RawPriceBuffer) -> None:
        paths = self.lake.paths
        uri = paths.responses(context.run_id)
        files.upload(buffer.responses_file, uri)
        outcomes: Counter[str] = Counter()
        changes: Counter[str] = Counter()
        buffer.flush()
        keys = context.asset_partition_keys
        published = files.map_concurrently(
            lambda session: raw_prices.publish(
                paths, session, buffer.records(session), choose_record
            ),
            keys,
        )
        for session, counts in zip(keys, published, strict=True):
            outcomes += counts["outcomes"]
            changes += counts["changes"]
            context.step_context.add_asset_metadata(
                {
                    "dagster/row_count": sum(counts["outcomes"].values()),
                    "dagster/uri": paths.raw_prices(session),
                    **_prefixed("outcome", counts["outcomes"]),
                    **_prefixed("change", counts["changes"]),
                },
                partition_key=session,
            )
        summary = ", ".join(f"{count} {change}" for change, count in changes.items())
        context.log.info(f"published {pluralise(len(keys), 'session')}: {summary or 'no symbols'}")
        context.add_output_metadata(
            {
                "run_outcomes": dg.MetadataValue.json(dict(outcomes)),
                "run_changes": dg.MetadataValue.json(dict(changes)),
                "verbatim_responses": dg.MetadataValue.path(uri),
            }
        )


def _prefixed(prefix: str, counts: Counter[str]) -> dict[str, int]:
    return {f"{prefix}_{name}": count for name, count in sorted(counts.items())}

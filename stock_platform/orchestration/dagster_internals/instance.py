"""The Dagster instance class, and the changes to Dagster that come with it.

`dagster.yaml` names this class, so every process that opens the instance imports this module, even
the webserver, which does not load the asset graph. Importing it has two effects:

- Backfills of days that are not trading days are rejected. Dagster 1.13 replaces an excluded day by
  the next trading day, in the webserver: a backfill of 2012-01-02, a holiday, would materialize
  2012-01-03. The assets themselves reject a run whose tags name such a day.
- The hash of a partitions definition is cached (`partition_hash`).
"""

import logging
import warnings
from collections.abc import Callable, Iterable, Sequence
from functools import wraps
from typing import Any

import dagster as dg
from dagster._core.execution.asset_backfill import AssetBackfillData
from dagster._core.instance.ref import InstanceRef

from stock_platform.orchestration.dagster_internals.partition_hash import cache_partition_hashes
from stock_platform.orchestration.dagster_internals.pool_holders import PoolWaitingInstance
from stock_platform.orchestration.partitions import require_sessions


class HolidayRejectingInstance(PoolWaitingInstance):
    """A `DagsterInstance` that rejects backfills of days that are not trading days."""

    @classmethod
    def config_schema(cls) -> dict[str, Any]:
        """Return an empty schema: there is nothing to configure."""
        return {}

    @classmethod
    def config_defaults(cls, base_dir: str) -> Any:  # noqa: ANN401 - Dagster's private mapping
        """Return Dagster's defaults: storage in the instance's folder."""
        return InstanceRef.config_defaults(base_dir)

    def get_yaml_python_handlers(self) -> Sequence[logging.Handler]:
        """Return the log handlers of dagster.yaml without a beta warning in every process.

        They are beta in Dagster 1.13, whose minor version is pinned.
        """
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", dg.BetaWarning)
            return super().get_yaml_python_handlers()


def _reject_unknown_keys(
    named_keys: Callable[[dict[str, Any]], Iterable[tuple[dg.AssetKey, Sequence[str]]]],
) -> Callable[[Any], Any]:
    """Make a constructor of backfill data reject keys that no partition has."""

    def wrap(construct: Any) -> Any:  # noqa: ANN401 - a bound classmethod
        @wraps(construct)
        def checked(**arguments: Any) -> Any:  # noqa: ANN401
            for asset_key, keys in named_keys(arguments):
                days = arguments["asset_graph"].get(asset_key).partitions_def
                if days is not None:
                    require_sessions(days, keys)
            return construct(**arguments)

        return checked

    return wrap


def _keys_of_assets(arguments: dict[str, Any]) -> Iterable[tuple[dg.AssetKey, Sequence[str]]]:
    return ((key, arguments["partition_names"] or []) for key in arguments["asset_selection"])


def _keys_of_ranges(arguments: dict[str, Any]) -> Iterable[tuple[dg.AssetKey, Sequence[str]]]:
    for selector in arguments["partitions_by_assets"]:
        ranges = selector.partitions.ranges if selector.partitions else []
        yield selector.asset_key, [key for ends in ranges for key in (ends.start, ends.end)]


AssetBackfillData.from_asset_partitions = _reject_unknown_keys(_keys_of_assets)(  # type: ignore[method-assign]
    AssetBackfillData.from_asset_partitions
)
AssetBackfillData.from_partitions_by_assets = _reject_unknown_keys(_keys_of_ranges)(  # type: ignore[method-assign]
    AssetBackfillData.from_partitions_by_assets
)
cache_partition_hashes()

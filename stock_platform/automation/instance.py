"""Dagster's instance, refusing backfills of days that are no session.

Dagster 1.13 turns a backfill of an excluded day into one of the next trading day, in the
webserver, before any of our code runs: asked over GraphQL for 2012-01-02, a holiday, it
materializes 2012-01-03. `dagster.yaml` names this class, so the webserver loads this module,
and with it the refusal. A run that names such a day by its tags is refused by the assets.

For the same reason this module turns on the cache of partition hashes.
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
from stock_platform.partitions import require_sessions


class SessionInstance(dg.DagsterInstance):
    """A `DagsterInstance` whose backfills take partition keys by the letter."""

    @classmethod
    def config_schema(cls) -> dict[str, Any]:
        """Nothing to configure."""
        return {}

    @classmethod
    def config_defaults(cls, base_dir: str) -> Any:  # noqa: ANN401 - Dagster's private mapping
        """Dagster's own: storage under the instance's folder."""
        return InstanceRef.config_defaults(base_dir)

    def get_yaml_python_handlers(self) -> Sequence[logging.Handler]:
        """The log handlers that dagster.yaml names, without a warning in each process.

        They are beta in Dagster 1.13; its minor version is pinned for that.
        """
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", dg.BetaWarning)
            return super().get_yaml_python_handlers()


def _by_the_letter(
    named_keys: Callable[[dict[str, Any]], Iterable[tuple[dg.AssetKey, Sequence[str]]]],
) -> Callable[[Any], Any]:
    """Wrap a constructor of backfill data so that it refuses keys that no partition has."""

    def wrap(construct: Any) -> Any:  # noqa: ANN401 - a bound classmethod
        @wraps(construct)
        def checked(**asked: Any) -> Any:  # noqa: ANN401
            for asset_key, keys in named_keys(asked):
                days = asked["asset_graph"].get(asset_key).partitions_def
                if days is not None:
                    require_sessions(days, keys)
            return construct(**asked)

        return checked

    return wrap


def _of_assets(asked: dict[str, Any]) -> Iterable[tuple[dg.AssetKey, Sequence[str]]]:
    return ((key, asked["partition_names"] or []) for key in asked["asset_selection"])


def _of_ranges(asked: dict[str, Any]) -> Iterable[tuple[dg.AssetKey, Sequence[str]]]:
    for selector in asked["partitions_by_assets"]:
        ranges = selector.partitions.ranges if selector.partitions else []
        yield selector.asset_key, [key for it in ranges for key in (it.start, it.end)]


AssetBackfillData.from_asset_partitions = _by_the_letter(_of_assets)(  # type: ignore[method-assign]
    AssetBackfillData.from_asset_partitions
)
AssetBackfillData.from_partitions_by_assets = _by_the_letter(_of_ranges)(  # type: ignore[method-assign]
    AssetBackfillData.from_partitions_by_assets
)
cache_partition_hashes()

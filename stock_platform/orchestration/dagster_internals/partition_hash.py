"""Hash a partitions definition once, not at every lookup.

Dagster 1.13 hashes a `TimeWindowPartitionsDefinition` by its repr, which lists every holiday, and
looks it up in a cache for every partition key and time window. With 6,500 partitions that was two
thirds of the CPU time of the asset pages' live query.
"""

from collections.abc import Callable
from functools import wraps

import dagster as dg

_HASH_ATTRIBUTE = "_stock_platform_hash"


def cache_partition_hashes() -> None:
    """Make time-window partitions definitions compute their hash once per object.

    The fields of a definition never change. Its hash is kept outside them, like Dagster's own
    cached properties, so comparing, serialising, pickling and copying a definition ignore it. That
    matters because hashes of strings differ between processes.
    """
    definition_class = dg.TimeWindowPartitionsDefinition
    definition_class.__hash__ = _computed_once(definition_class.__hash__)  # type: ignore[method-assign]


def _computed_once(
    compute_hash: Callable[[dg.TimeWindowPartitionsDefinition], int],
) -> Callable[[dg.TimeWindowPartitionsDefinition], int]:
    @wraps(compute_hash)
    def cached_hash(definition: dg.TimeWindowPartitionsDefinition) -> int:
        attributes: dict[str, int] = vars(definition)
        if _HASH_ATTRIBUTE not in attributes:
            attributes[_HASH_ATTRIBUTE] = compute_hash(definition)
        return attributes[_HASH_ATTRIBUTE]

    return cached_hash

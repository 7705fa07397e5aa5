"""The evaluated worlds: files that Yahoo served, their repaired twins, and the clean sets."""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Final

from stock_platform_tests.support.recorded_worlds.files import RecordedFile, clean, repaired, served
from stock_platform_tests.support.recorded_worlds.world import World, build

AS_SERVED: Final = "as served"
REPAIRED: Final = "repaired"
# Two vintages of the same symbols, so each has its own lake.
CLEAN: Final = ("us_2012_2017", "us_2010_2022")

_FILES: Final[Mapping[str, Callable[[], list[RecordedFile]]]] = {
    AS_SERVED: served,
    REPAIRED: repaired,
    **{name: partial(clean, name) for name in CLEAN},
}


def worlds(folder: Path) -> Iterator[World]:
    """Build each world in its own folder."""
    for name, files in _FILES.items():
        place = folder / name.replace(" ", "-")
        place.mkdir()
        yield build(name, files(), place)

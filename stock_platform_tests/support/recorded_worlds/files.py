"""Which recorded files there are, and which instrument each one is of.

Belongs here: names, classes of defects, and how symbols map to companies. What stands in a file
is read in `history`.
"""

import csv
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final, Literal

import stock_platform

DATA: Final = Path(stock_platform.__file__).resolve().parents[1] / ".." / "shared" / "data"
MISSING: Final = f"the recorded prices are not in {DATA / 'prices'}"

Kind = Literal["broken", "repaired", "control", "clean"]

_WORLD: Final = "world_yf_tests"
_NAME: Final = re.compile(
    r"(?P<symbol>.+?)-(?P<interval>1d|1wk|1h|15m)-(?P<defect>.+?)(?P<fixed>-fixed)?"
)
_CONTROL: Final = "no-bad-divs"
# Two files of one symbol overlap in their dates: the second one gets a symbol of its own.
_ALIASES: Final = {("4063.T", "bad-stock-split"): "4063-SPLIT.T"}


@dataclass(frozen=True)
class RecordedFile:
    """One CSV file of one instrument.

    Attributes:
        symbol: under which it is asked for.
        interval: of its bars, in Yahoo's words.
        defect: what is wrong with it, or was before it was repaired; by its name.
        company: its row in the reference file.
    """

    path: Path
    symbol: str
    interval: str
    defect: str
    kind: Kind
    company: Mapping[str, str]

    @property
    def name(self) -> str:
        """Its set and name without the suffix: the name of a file in every table."""
        return self.path.stem if self.kind != "clean" else f"{self.path.parent.name}/{self.symbol}"


def present() -> bool:
    """Whether the recorded prices are there."""
    return (DATA / "prices" / _WORLD).is_dir()


def served() -> list[RecordedFile]:
    """What Yahoo served broken, and the controls."""
    return [it for it in _world_files() if it.kind != "repaired"]


def repaired() -> list[RecordedFile]:
    """The repaired twins of the broken files that have one, and the controls."""
    return [it for it in _world_files() if it.kind != "broken"]


def clean(folder: str) -> list[RecordedFile]:
    """The files of a set in which nothing is known to be wrong."""
    paths = sorted((DATA / "prices" / folder).glob("*.csv"))
    return [RecordedFile(it, it.stem, "1d", "", "clean", companies()[it.stem]) for it in paths]


@cache
def companies() -> dict[str, dict[str, str]]:
    """Instruments by the name that their files have: Yahoo's symbol, a dash for the dot."""
    return {it["yahoo_symbol"].replace(".", "-"): it for it in _reference("companies")}


@cache
def exchanges() -> dict[str, dict[str, str]]:
    """Exchanges by MIC."""
    return {it["mic"]: it for it in _reference("exchanges")}


def _world_files() -> Iterator[RecordedFile]:
    for path in sorted((DATA / "prices" / _WORLD).glob("*.csv")):
        if named := _NAME.fullmatch(path.stem):
            company, defect = companies()[named["symbol"]], named["defect"]
            kind: Kind = "repaired" if named["fixed"] else "broken"
            yield RecordedFile(
                path,
                _ALIASES.get((company["yahoo_symbol"], defect), company["yahoo_symbol"]),
                named["interval"],
                defect,
                "control" if defect == _CONTROL else kind,
                company,
            )


def _reference(name: str) -> list[dict[str, str]]:
    with (DATA / "reference" / f"{name}.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))

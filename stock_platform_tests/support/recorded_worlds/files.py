"""The recorded files and their instruments.

Belongs here: names, classes of defects, and the mapping of symbols to companies. `history` reads
the files' contents.
"""

import csv
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final, Literal

from stock_platform_tests.support import ROOT

DATA: Final = ROOT.parent / "shared" / "data"
MISSING: Final = f"the recorded prices are not in {DATA / 'prices'}"

Kind = Literal["broken", "repaired", "control", "clean"]

_WORLD: Final = "world_yf_tests"
_NAME: Final = re.compile(
    r"(?P<symbol>.+?)-(?P<interval>1d|1wk|1h|15m)-(?P<defect>.+?)(?P<fixed>-fixed)?"
)
_CONTROL: Final = "no-bad-divs"
# Two files of one symbol overlap in their dates, so the second one gets its own symbol.
_ALIASES: Final = {("4063.T", "bad-stock-split"): "4063-SPLIT.T"}


@dataclass(frozen=True)
class RecordedFile:
    """One CSV file of one instrument.

    Attributes:
        symbol: requested from Yahoo.
        interval: of its bars, in Yahoo's notation.
        defect: its present or repaired defect, from its name.
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
        """The file's name in every table: its set and its name without the suffix."""
        return self.path.stem if self.kind != "clean" else f"{self.path.parent.name}/{self.symbol}"


def present() -> bool:
    """Whether the recorded prices are available."""
    return (DATA / "prices" / _WORLD).is_dir()


def served() -> list[RecordedFile]:
    """The broken files that Yahoo served, and the controls."""
    return [file for file in _world_files() if file.kind != "repaired"]


def repaired() -> list[RecordedFile]:
    """The repaired twins of the broken files that have one, and the controls."""
    return [file for file in _world_files() if file.kind != "broken"]


def clean(folder: str) -> list[RecordedFile]:
    """The files of a set without known defects."""
    paths = sorted((DATA / "prices" / folder).glob("*.csv"))
    return [
        RecordedFile(path, path.stem, "1d", "", "clean", companies()[path.stem]) for path in paths
    ]


@cache
def companies() -> dict[str, dict[str, str]]:
    """Instruments by file name: Yahoo's symbol with dashes instead of dots."""
    return {
        company["yahoo_symbol"].replace(".", "-"): company for company in _reference("companies")
    }


@cache
def exchanges() -> dict[str, dict[str, str]]:
    """Exchanges by MIC."""
    return {exchange["mic"]: exchange for exchange in _reference("exchanges")}


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

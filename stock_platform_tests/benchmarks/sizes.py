"""Bytes that a trading day adds to the lake, as used in docs/cost.md.

`python -m stock_platform_tests.benchmarks.sizes`: a session of the sample, with its ERP export and
its quality report, for one company and for five. The difference is the symbols' share; the rest is
the session's own. Nothing is asserted.
"""

import gzip
from collections import Counter
from collections.abc import Sequence
from fnmatch import fnmatch
from pathlib import Path
from tempfile import TemporaryDirectory

import orjson
from rich.console import Console
from rich.table import Table

from stock_platform_tests.support.platform_fixture import SAMPLE_COMPANIES, Platform

DAY = "2012-12-03"
FEW, MANY = 1, 5
RESPONSE, FETCHED = "response over the network", "verbatim responses"
VERSIONS, COMMITS = "versions", "commits, twice"
PARTS = {
    "raw/stock_prices/*/responses-*": FETCHED,
    "raw/stock_prices/*": "raw records",
    "raw/erp/*": "ERP export",
    "raw/batches/*": COMMITS,
    "processed/batches/*": COMMITS,
    "processed/check_results/*": "check results",
    "processed/_staging/*": "",  # gone within a day
    "processed/*": VERSIONS,
}


def part_of(file: str) -> str:
    """The part that an object counts towards, or "" if it is temporary or not a session's."""
    return next((part for pattern, part in PARTS.items() if fnmatch(file, pattern)), "")


def sizes(root: Path) -> Counter[str]:
    """Bytes of each object."""
    files = (path for path in root.rglob("*") if path.is_file())
    return Counter({path.relative_to(root).as_posix(): path.stat().st_size for path in files})


def weights(companies: Sequence[str]) -> Counter[str]:
    """Bytes that a day adds to the lake, by part, and bytes of its uncompressed responses."""
    with TemporaryDirectory() as folder, Platform(Path(folder)) as platform:
        root = Path(platform.settings.lake)
        platform.load_dimensions(*companies)
        before = sizes(root)
        # A renamed company, so that the ERP records change.
        platform.drop_companies(companies[0].replace("Apple Inc.", "Apple"), *companies[1:])
        for job, day in (("erp_load", None), ("daily_stock_prices", DAY), ("quality_report", None)):
            if not platform.run(job, day).success:
                raise RuntimeError(f"{job} failed")
        found: Counter[str] = Counter()
        for file, size in (sizes(root) - before).items():
            found[part_of(file)] += size
            if part_of(file) == FETCHED:
                responses = gzip.decompress((root / file).read_bytes()).splitlines()
                found[RESPONSE] += sum(
                    len(orjson.loads(response)["body"]) for response in responses
                )
        return found


def main() -> None:
    """Print one line per part: bytes of a session, and of each symbol in it."""
    few, many = weights(SAMPLE_COMPANIES[:FEW]), weights(SAMPLE_COMPANIES[:MANY])
    grid = Table("bytes", "per session", "per symbol and session")
    total = [0.0, 0.0]
    for part in filter(None, many):
        symbol = (many[part] - few[part]) / (MANY - FEW)
        grid.add_row(part, f"{few[part] - FEW * symbol:,.0f}", f"{symbol:,.0f}")
        if part != RESPONSE:
            total = [total[0] + few[part] - FEW * symbol, total[1] + symbol]
    grid.add_row("lake", *(f"{value:,.0f}" for value in total), style="bold")
    Console().print(grid)


if __name__ == "__main__":
    main()

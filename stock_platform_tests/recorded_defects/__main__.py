"""Write the tables of docs/quality.md: what each check said of each recorded history.

``python -m stock_platform_tests.recorded_defects``
"""

from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd

from stock_platform_tests.recorded_defects import recorded
from stock_platform_tests.recorded_defects.expected import EXPECTED
from stock_platform_tests.recorded_defects.judged import SERIES_RULES, verdicts

DOCS = Path(__file__).resolve().parents[2] / "docs" / "quality.md"
BEGIN, END = "<!-- recorded-defects:begin -->", "<!-- recorded-defects:end -->"
OTHERS = ("adjusted_close_agrees", "no_null_bars", "ohlc_consistent")
CHECKS = (*(rule.__name__ for rule in SERIES_RULES), *OTHERS)


def main() -> None:
    """Judge every file and put the tables in their place."""
    with TemporaryDirectory() as folder:
        judged = {}
        for number, file in enumerate([*recorded.files(), *recorded.clean_files()]):
            place = Path(folder) / str(number)
            place.mkdir()
            history = recorded.read(file)
            judged[file] = (history, verdicts(history, place))
    text = DOCS.read_text()
    head, tail = text[: text.index(BEGIN)], text[text.index(END) :]
    DOCS.write_text(f"{head}{BEGIN}\n\n{_files(judged)}\n\n{_false(judged)}\n\n{tail}")


def _files(judged: dict) -> str:
    lines = ["| history | bars | what the checks said (sessions, since) |", "|---|---|---|"]
    for file, (history, found) in judged.items():
        if file.parent == recorded.BROKEN:
            said = [_said(check, rows) for check, rows in found.groupby("Check")]
            name = f"**{file.stem}**" if file.stem in EXPECTED else file.stem
            lines.append(f"| {name} | {len(history.bars):,} | {'; '.join(said) or 'nothing'} |")
    return "\n".join(lines)


def _said(check: str, rows: pd.DataFrame) -> str:
    severity = "ERROR" if rows["Error"].astype(bool).any() else "WARN"
    return f"`{check}` {severity} ({rows['Session'].nunique()}, {rows['Session'].min()})"


def _false(judged: dict) -> str:
    """Flagged bars of histories that are repaired or clean, by check."""
    good = [it for file, it in judged.items() if file.stem not in EXPECTED]
    bars = sum(len(history.bars) for history, _ in good)
    found = pd.concat([found for _, found in good])
    lines = [
        f"Flagged of {bars:,} bars of the {len(good)} repaired, control and clean histories:",
        "",
        "| check | errors | warnings | share of bars |",
        "|---|---|---|---|",
    ]
    for check in CHECKS:
        rows = found[found["Check"] == check]
        errors = int(rows["Error"].astype(bool).sum())
        lines.append(f"| `{check}` | {errors} | {len(rows) - errors} | {len(rows) / bars:.4%} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()

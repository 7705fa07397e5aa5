"""Parts of the Markdown pages of the repository."""

import re
from collections.abc import Iterator
from pathlib import Path

from stock_platform_tests.support import ROOT


def blocks(page: Path, language: str) -> list[str]:
    """The fenced blocks of a language, also those within a list."""
    return re.findall(
        rf"^ *```{language}\n(.*?)^ *```$", page.read_text(), re.DOTALL | re.MULTILINE
    )


def shapes(output: str) -> Iterator[str]:
    """Each line of a terminal's output without dates, numbers, borders and padding."""
    for line in output.splitlines():
        words = re.sub(r"[┏┓┗┛┡┩└┘┳╇┴━─]", " ", line).replace("┃", "│")
        words = re.sub(r"-?\d[\d,.-]*\d|\d", "#", words)
        if words.strip():
            yield " ".join(words.split())


def demo_output() -> str:
    """The output of `make demo` that the README shows, without its marks of elision."""
    (shown,) = (text for text in blocks(ROOT / "README.md", "text") if "erp_csv_sensor" in text)
    return shown.replace("…", "")

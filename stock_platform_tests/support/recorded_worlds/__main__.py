"""Evaluate the checks on recorded defects.

Run as `python -m stock_platform_tests.support.recorded_worlds`.

Prints Markdown, or writes it between the marks of a file: `--write docs/quality.md`.
"""

import argparse
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from stock_platform_tests.support.recorded_worlds.evaluate import evaluate
from stock_platform_tests.support.recorded_worlds.files import MISSING, present
from stock_platform_tests.support.recorded_worlds.tables import BEGIN, END, markdown
from stock_platform_tests.support.recorded_worlds.worlds import worlds


def main() -> None:
    """Build and evaluate the worlds, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", type=Path, help="a Markdown file that has the marks")
    options = parser.parse_args()
    if not present():
        sys.exit(MISSING)
    text = _tables()
    if options.write:
        before, _, rest = options.write.read_text().partition(BEGIN)
        _, found, after = rest.partition(END + "\n")
        if not found:
            sys.exit(f"{options.write} lacks {BEGIN} and {END}")
        options.write.write_text(before + text + after)
    else:
        sys.stdout.write(text)


def _tables() -> str:
    built, evaluations = [], []
    with TemporaryDirectory(prefix="recorded-defects-") as folder:
        started = time.monotonic()
        for world in worlds(Path(folder)):
            built.append(world)
            evaluations.append(evaluate(world))
            seconds = time.monotonic() - started
            sys.stderr.write(f"{seconds:6.1f} s  {world.name}: {len(world.sessions)} sessions\n")
    return markdown(built, evaluations)


if __name__ == "__main__":
    main()

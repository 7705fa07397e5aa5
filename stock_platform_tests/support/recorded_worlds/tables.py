"""Check results of the recorded files as Markdown tables for the documentation."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import pandas as pd

from stock_platform_tests.support.recorded_worlds.evaluate import failures
from stock_platform_tests.support.recorded_worlds.expected import DEFECTS
from stock_platform_tests.support.recorded_worlds.files import Kind, RecordedFile
from stock_platform_tests.support.recorded_worlds.world import World

BEGIN: Final = "<!-- recorded-defects:begin -->"
END: Final = "<!-- recorded-defects:end -->"
# The kinds of correct files, in the order of the columns.
_RIGHT: Final[Mapping[Kind, str]] = {
    "repaired": "repaired twins",
    "control": "controls",
    "clean": "clean sets",
}


def markdown(worlds: Sequence[World], evaluations: Sequence[pd.DataFrame]) -> str:
    """Both tables, between the marks that a later run replaces."""
    parts = (BEGIN, found(worlds, evaluations), flagged(worlds, evaluations), END)
    return "\n\n".join(parts) + "\n"


def found(worlds: Sequence[World], evaluations: Sequence[pd.DataFrame]) -> str:
    """One row per file: its defect and its failed checks.

    A repaired twin follows its broken file; then come the controls, and one row per clean set.
    """
    failed = failures(evaluations)
    recorded = {
        file.name: (file, world)
        for world in worlds
        for file in world.files.values()
        if file.kind != "clean"
    }
    order = sorted(
        recorded, key=lambda name: (recorded[name][0].kind == "control", _broken_name(name), name)
    )
    body = [_row(*recorded[name], failed) for name in order]
    body += [_set(world, failed) for world in worlds if _kinds(world) == {"clean"}]
    return _table(["file", "days in it", "sessions asked", "what the checks say"], body)


def flagged(worlds: Sequence[World], evaluations: Sequence[pd.DataFrame]) -> str:
    """One row per check: the share of correct bars that it flags."""
    pairs = zip(worlds, evaluations, strict=True)
    right = [(world, found) for world, found in pairs if "broken" not in _kinds(world)]
    every = pd.concat([evaluation for _, evaluation in right], ignore_index=True)
    kinds = {file.name: file.kind for world, _ in right for file in world.files.values()}
    every["kind"] = every["file"].map(kinds)
    asked = sum(len(sessions) for world, _ in right for sessions in world.asked.values())
    body = []
    for check, results in every.groupby("check", sort=False):
        failed = results[~results["passed"]]
        # Checks of sessions have no row per symbol, so the requested sessions count.
        of_bars = results.loc[results["passed"], "file"].notna().any()
        among = len(results) if of_bars else asked
        counts = [_counts(failed[failed["kind"] == kind]) for kind in _RIGHT]
        elsewhere = _counts(failed[failed["kind"].isna()])
        shares = [
            _share((failed["severity"] == severity).sum(), among) for severity in ("WARN", "ERROR")
        ]
        body.append([f"`{check}`", f"{among:,}", *counts, elsewhere, *shares])
    head = ["check", "symbols x sessions", *_RIGHT.values(), "no symbol named", "WARN", "ERROR"]
    return _table(head, body)


def _broken_name(name: str) -> str:
    return name.removesuffix("-fixed")


def _kinds(world: World) -> set[Kind]:
    return {file.kind for file in world.files.values()}


def _row(file: RecordedFile, world: World, failed: pd.DataFrame) -> list[str]:
    return [
        _title(file),
        f"{world.rows[file.symbol]:,}",
        f"{len(world.asked[file.symbol]):,}",
        _says(failed[failed["file"] == file.name]),
    ]


def _title(file: RecordedFile) -> str:
    if file.kind == "repaired":
        return "… repaired"
    what = "control" if file.kind == "control" else DEFECTS[file.name].what
    return f"`{file.name}`: {what}"


def _set(world: World, failed: pd.DataFrame) -> list[str]:
    """A clean set in one row, with the files that failed a check."""
    failures_ = [
        f"{file.symbol}: {_says(found)}"
        for file in world.files.values()
        if len(found := failed[failed["file"] == file.name])
    ]
    days, asked = sum(world.rows.values()), sum(map(len, world.asked.values()))
    return [
        f"`{world.name}`: clean set of {len(world.files)} files",
        f"{days:,}",
        f"{asked:,}",
        "; ".join(failures_) or "nothing",
    ]


def _says(failed: pd.DataFrame) -> str:
    """Each failed check with its severities, number of sessions and first session."""
    texts = []
    for check, of_check in failed.groupby("check", sort=False):
        counts = of_check.groupby("severity")["session"].nunique()
        severities = ", ".join(f"{severity} {count:,}" for severity, count in counts.items())
        texts.append(f"`{check}` {severities} ({of_check['session'].min()})")
    return "; ".join(texts) or "nothing"


def _counts(failed: pd.DataFrame) -> str:
    counts = failed["severity"].value_counts().sort_index(ascending=False)
    return ", ".join(f"{severity} {count}" for severity, count in counts.items()) or "0"


def _share(count: int, among: int) -> str:
    return f"{100 * count / among:.4f} %" if count else "0"


def _table(head: Sequence[str], body: Iterable[Sequence[str]]) -> str:
    rows = [head, ["---"] * len(head), *body]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)

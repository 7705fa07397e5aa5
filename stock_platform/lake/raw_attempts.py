"""Attempts at raw runs: the marker of a run that is being written, its resumption and its removal.

The marker is the first object of a run and is deleted after the manifest was written. A folder with
records that has neither has lost its manifest, and is never removed.
"""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from stock_platform.lake import files, raw_runs
from stock_platform.lake.paths import LakePaths
from stock_platform.lake.raw_runs import MANIFEST, UNFINISHED, RunName

_ABANDONED_AFTER: Final = timedelta(days=7)


def begin(paths: LakePaths, name: RunName, now: datetime) -> None:
    """Mark a run as being written, since now."""
    files.write(f"{paths.raw_run(name)}/{UNFINISHED}", now.isoformat().encode())


def end(paths: LakePaths, name: RunName) -> None:
    """Remove the marker of a run that has its manifest."""
    files.delete(f"{paths.raw_run(name)}/{UNFINISHED}")


def interrupted_run(
    paths: LakePaths, run_ids: Sequence[str | None], sessions: Sequence[str]
) -> RunName | None:
    """Return the unfinished run that a Dagster run left behind, or None.

    Args:
        paths: paths of the lake.
        run_ids: the Dagster run and those that it retries, None if it retries none.
        sessions: the sessions of the run.
    """
    for name in reversed(raw_runs.run_names(paths)):
        is_same = name.run_id in run_ids and (name.first, name.last) == (sessions[0], sessions[-1])
        if is_same and _is_unfinished(paths, name):
            return name
    return None


def remove_abandoned(paths: LakePaths, now: datetime) -> list[RunName]:
    """Delete the runs whose last attempt began more than seven days ago and never ended.

    Also those of which only the temporary file of the marker was written.
    """
    fs, folder = files.filesystem(paths.raw_runs_folder())
    objects: dict[str, set[str]] = defaultdict(set)
    for found in fs.find(folder):
        run, name = found.rsplit("/", 2)[-2:]
        objects[run].add(name)

    def is_abandoned(run: RunName, names: set[str]) -> bool:
        if UNFINISHED in names and MANIFEST not in names:
            return _begun_at(paths, run) < now - _ABANDONED_AFTER and _is_unfinished(paths, run)
        is_empty = all(name.endswith(".tmp") for name in names)
        return is_empty and run.started_at < now - _ABANDONED_AFTER

    runs = [(raw_runs.name_of(folder), names) for folder, names in sorted(objects.items())]
    abandoned = [run for run, names in runs if run and is_abandoned(run, names)]
    for name in abandoned:
        files.delete(paths.raw_run(name))
    return abandoned


def _is_unfinished(paths: LakePaths, name: RunName) -> bool:
    uri = paths.raw_run(name)
    return files.exists(f"{uri}/{UNFINISHED}") and not files.exists(f"{uri}/{MANIFEST}")


def _begun_at(paths: LakePaths, name: RunName) -> datetime:
    return datetime.fromisoformat(files.read(f"{paths.raw_run(name)}/{UNFINISHED}").decode())

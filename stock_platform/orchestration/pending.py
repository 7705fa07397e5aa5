"""What was fetched and not processed: raw runs whose sessions no commit lists.

It is read from the lake and never from Dagster's events, so it is right after any interruption.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from logging import Logger

from stock_platform.lake import raw_runs
from stock_platform.lake.files import CorruptObjectError
from stock_platform.lake.paths import LakePaths
from stock_platform.lake.processed import ProcessedState, read_state
from stock_platform.lake.raw_runs import RawRun


@dataclass(frozen=True)
class PendingBatch:
    """Sessions that were fetched and not processed.

    Attributes:
        sessions: ascending.
        securities: the securities to which the batch is limited; none if it is of all.
    """

    sessions: Sequence[str]
    securities: Sequence[str] = ()


def pending_batches(
    paths: LakePaths, partitions: Collection[str], own: Collection[str], log: Logger
) -> Iterator[PendingBatch]:
    """Yield batches of the sessions that usable runs have and no commit lists.

    A batch has one year of all securities, or the sessions of a run that is limited to some, if
    they were processed for all before. The sessions of the step itself, and days that are no
    partition, are left out.
    """
    state, wanted = read_state(paths), set(partitions).difference(own)
    processed, of_all = set(state.sessions), set[str]()
    for run in _open_runs(paths, state, log):
        sessions = [session for session in state.pending(run) if session in wanted]
        if not run.securities:
            of_all.update(sessions)
        elif known := [session for session in sessions if session in processed]:
            yield PendingBatch(known, run.securities)
    for _, group in groupby(sorted(of_all), key=lambda session: session[:4]):
        yield PendingBatch(list(group))


def _open_runs(paths: LakePaths, state: ProcessedState, log: Logger) -> Iterator[RawRun]:
    """Yield the usable runs that may have a session that no commit lists."""
    for name in raw_runs.run_names(paths):
        if str(name) in state.closed_runs:
            continue
        try:
            run = raw_runs.read_run(paths, name)
        except CorruptObjectError as error:
            log.error(str(error))  # noqa: TRY400 - says it all
            continue
        if run is not None and not run.refused:
            yield run

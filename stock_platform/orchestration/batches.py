"""Batches of the Spark job: run, judge and commit one, or refuse it.

Belongs here: everything between the raw runs and a commit of the processed layer. The asset
`processed_stock_prices` and the backfill of some securities share it.
"""

import logging
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import orjson
from tenacity import Retrying, before_sleep_log, retry_if_exception_type, stop_after_attempt

from stock_platform.errors import StockPlatformError
from stock_platform.lake import files, raw_runs, staging
from stock_platform.lake.commits import Commit, ConflictError, Part
from stock_platform.lake.migrate_processed import require_migrated_lake
from stock_platform.lake.paths import PROCESSED_TABLES, LakePaths, ProcessedTable
from stock_platform.lake.processed import part_uri, read_state, verify
from stock_platform.lake.staging import BatchInputs, StagedBatch, read_staged, staged_rows
from stock_platform.lake.versions import current_rows
from stock_platform.orchestration.checks.registry import REGISTRY
from stock_platform.orchestration.pending import PendingBatch
from stock_platform.quality.measures.processed import (
    measure_batch,
    measure_committed_batch,
    measure_processed_sessions,
)
from stock_platform.quality.rules.processed import ProcessedMeasure
from stock_platform.quality.rules.result import RuleResult
from stock_platform.settings.quality import QualityLimits
from stock_platform.spark.batch import BatchRun, SparkBatch
from stock_platform.spark.request import job_request

# By check and session.
CheckResults = Mapping[str, Mapping[str, RuleResult]]

# Another batch can be committed while one is running, if it is of another instance of Dagster.
_MAX_ATTEMPTS: Final = 5
_TICK: Final = timedelta(microseconds=1)


@dataclass(frozen=True)
class ProcessedBatch:
    """A batch that was committed or refused.

    Attributes:
        results: result per blocking check and session.
        metadata: about its execution.
    """

    commit: Commit
    results: CheckResults
    metadata: Mapping[str, Any] = field(default_factory=dict)

    @property
    def bad_sessions(self) -> set[str]:
        """The sessions that break a blocking rule."""
        return {session for session, _ in _failures(self.results)}


@dataclass(frozen=True)
class BatchRunner:
    """Runs batches within a step.

    Attributes:
        paths: paths of the lake.
        run_spark: runs the Spark job.
        run_id: of the run that the step belongs to.
        log: of the run.
        symbols: every symbol of the ERP.
        limits: thresholds of the checks.
    """

    paths: LakePaths
    run_spark: Callable[[SparkBatch], BatchRun]
    run_id: str
    log: logging.Logger
    symbols: Sequence[str]
    limits: QualityLimits

    def process(self, sessions: Sequence[str], securities: Sequence[str] = ()) -> ProcessedBatch:
        """Process sessions from their usable runs, unless exactly this was the last thing done.

        Args:
            sessions: ascending.
            securities: the securities to which the batch is limited; by default all.

        Raises:
            ConflictError: other batches were committed at each attempt.
            CorruptObjectError: an object that it needs was changed.
        """
        retrying = Retrying(
            retry=retry_if_exception_type(ConflictError),
            stop=stop_after_attempt(_MAX_ATTEMPTS),
            before_sleep=before_sleep_log(self.log, logging.WARNING),
            reraise=True,
        )
        return retrying(self._attempt, sessions, securities)

    def catch_up(self, batches: Iterable[PendingBatch]) -> list[ProcessedBatch]:
        """Process the sessions of runs that died before they were processed.

        An error in one of them is logged and does not stop the others.
        """
        done = []
        for pending in batches:
            named = f"{pending.sessions[0]} to {pending.sessions[-1]}"
            self.log.info(f"sessions fetched by a run that did not process them: {named}")
            try:
                batch = self.process(pending.sessions, pending.securities)
            except StockPlatformError as error:
                self.log.error(f"{named}: not processed: {error}")  # noqa: TRY400 - says it all
                continue
            for reason in batch.commit.reasons:
                self.log.error(f"{named}: refused: {reason}")
            done.append(batch)
            good = [session for session in pending.sessions if session not in batch.bad_sessions]
            if batch.commit.reasons and good:
                done += self.catch_up([PendingBatch(good, pending.securities)])
        return done

    def run_again(self, batch: Commit, parts: Sequence[Part]) -> list[Part]:
        """Run a committed batch again, and return its parts under their final names.

        Args:
            batch: the batch.
            parts: intact parts with the versions of the batches before it; later ones are ignored.

        Raises:
            StockPlatformError: one of its raw runs is missing or damaged, or the job failed.
        """
        first, last = batch.sessions[0], batch.sessions[-1]
        names = sorted({*batch.runs, *batch.other_runs})
        runs = [raw_runs.find_run(self.paths, name) for name in names]
        # The ERP may have corrected a symbol since.
        requested = (symbol for run in runs for symbol in raw_runs.requested_symbols(run))
        request = job_request(
            self.paths.root,
            BatchInputs(batch.sessions, runs, batch.securities),
            [*self.symbols, *requested],
            known_from=batch.known_from,
            base=self._base(part for part in parts if part.meets(first, last)),
        )
        request["batch_id"] = batch.batch_id
        staged, _ = self._run(request, f"{batch.batch_id}-again-{uuid.uuid4().hex[:4]}")
        parts_again = staging.place_parts(self.paths, staged)
        staging.discard(staged.uri)
        return parts_again

    def _attempt(self, sessions: Sequence[str], securities: Sequence[str]) -> ProcessedBatch:
        paths, state = self.paths, read_state(self.paths)
        # After the state, so that no run is missing that a batch of the state has read. Without a
        # newer run, its values would be replaced by older ones.
        runs = raw_runs.usable_runs(paths, sessions, securities)
        inputs = BatchInputs(sessions, runs, securities)
        require_migrated_lake(paths, state)
        found = {str(run.name) for run in runs}
        raw_runs.require_runs(paths, state.runs_read(sessions) - found)
        parts = state.parts(sessions=sessions)
        earliest = [state.batches[-1].known_from + _TICK] if state.batches else []
        request = job_request(
            paths.root,
            inputs,
            self.symbols,
            known_from=max([datetime.now(UTC), *earliest]),
            base=self._base(parts),
        )
        verify(paths, parts)
        if done := state.current(request["batch_id"], sessions):
            self.log.info(f"batch {done.batch_id} has processed exactly this already")
            measures = measure_committed_batch(paths, state, done)
            return ProcessedBatch(done, _judge(measures, self.limits), {"engine": done.engine})
        request["batch_id"] = state.unused_id(request["batch_id"])
        staged, metadata = self._run(request, f"{request['batch_id']}-{state.base + 1}")
        quarantine = current_rows(paths, state, "quarantine", sessions)
        measures = measure_batch(staged.sessions, staged_rows(staged), quarantine)
        results = _judge(measures, self.limits)
        reasons = [reason for _, reason in _failures(results)]
        commit = staging.commit(paths, staged, inputs, state.base, reasons)
        return ProcessedBatch(commit, results, metadata)

    def _base(self, parts: Iterable[Part]) -> dict[ProcessedTable, dict[str, int]]:
        """Return the number of rows by URI and table, as the job reads them."""
        base: dict[ProcessedTable, dict[str, int]] = {table: {} for table in PROCESSED_TABLES}
        for part in parts:
            base[part.table][part_uri(self.paths, part)] = part.rows
        return base

    def _run(
        self, request: Mapping[str, Any], execution: str
    ) -> tuple[StagedBatch, dict[str, Any]]:
        """Run the Spark job, and return its output.

        Args:
            request: of the job.
            execution: an engine that finds an earlier execution by this id uses its output, so it
                must have had the same current rows.
        """
        batch_id = request["batch_id"]
        # If the run repeats the step, the first attempt may still be writing.
        attempt = f"{self.run_id}-{uuid.uuid4().hex[:8]}"
        prefix = self.paths.staging(batch_id, attempt)
        files.write(f"{prefix}/request.json", orjson.dumps(request))
        self.log.info(f"batch {batch_id}: {len(request['sessions'])} sessions, staging {prefix}")
        job = SparkBatch(execution, f"{prefix}/request.json", prefix)
        done = self.run_spark(job)
        if done.output_uri != prefix:
            files.delete(prefix)
        metadata = {
            "engine": done.engine,
            "spark_seconds": round(done.duration_s, 3),
            **done.metadata,
        }
        return read_staged(batch_id, done.output_uri), metadata


def judge_committed(
    paths: LakePaths, sessions: Sequence[str], limits: QualityLimits
) -> CheckResults:
    """Judge sessions as they were committed.

    Raises:
        FileNotFoundError: a session was never processed.
    """
    return _judge(measure_processed_sessions(paths, read_state(paths), sessions), limits)


def _judge(measures: Mapping[str, ProcessedMeasure], limits: QualityLimits) -> CheckResults:
    return {
        check.name: {session: check.rule(measure, limits) for session, measure in measures.items()}
        for check in REGISTRY["processed_stock_prices"].checks
        if check.before_commit
    }


def _failures(results: CheckResults) -> Iterator[tuple[str, str]]:
    """Yield the session and the sentence of each broken blocking rule."""
    for name, by_session in results.items():
        for session, result in by_session.items():
            if not result.passed and not result.warn_only:
                yield session, f"{session} {name}: {result.summary}"

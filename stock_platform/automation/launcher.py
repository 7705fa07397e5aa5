"""Dagster's default launcher, which also notices that a run's process is gone.

Runs are processes of the code server's container. When that container dies, nobody writes the end
of its runs, and run monitoring cannot ask Dagster 1.13's own launcher about them: they would hold
their pools until `max_runtime_seconds`. Asked whether it still has a run, a code server that was
started again says no; the run is then marked failed, and `run_retries` starts it once more.
"""

import dagster as dg
from dagster._core.errors import DagsterUserCodeUnreachableError
from dagster._core.launcher import CheckRunHealthResult, DefaultRunLauncher, WorkerStatus
from dagster._grpc.types import GetCurrentRunsResult
from dagster._serdes import deserialize_value


class WatchedRunLauncher(DefaultRunLauncher):
    """A `DefaultRunLauncher` whose runs are watched by run monitoring."""

    @property
    def supports_check_run_worker_health(self) -> bool:
        """Run monitoring asks about every started run."""
        return True

    def check_run_worker_health(self, run: dg.DagsterRun) -> CheckRunHealthResult:
        """Whether the code server has a process of the run.

        A server that does not answer says nothing about its runs: it may be busy, or about to
        come back. `max_runtime_seconds` bounds a silence without end.
        """
        server = self._get_grpc_client_for_termination(run.run_id)  # type: ignore[no-untyped-call]
        if server is None:
            return CheckRunHealthResult(WorkerStatus.NOT_FOUND, "it has no code server, or ended")
        try:
            answer = deserialize_value(server.get_current_runs(), GetCurrentRunsResult)
        except DagsterUserCodeUnreachableError:
            return CheckRunHealthResult(WorkerStatus.RUNNING, "its code server does not answer")
        if run.run_id in answer.current_runs:
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        return CheckRunHealthResult(
            WorkerStatus.NOT_FOUND, "its process is gone: the code server was started again"
        )

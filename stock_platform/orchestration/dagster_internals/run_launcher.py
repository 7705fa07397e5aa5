"""Launch runs as Dagster does, and let run monitoring detect runs whose process died.

Runs are processes in the code server's container. When that container dies, its runs never record
an end, and run monitoring cannot check their health through the default launcher of Dagster 1.13:
they would hold their pools until `max_runtime_seconds`. A restarted code server reports that it
does not have such a run; run monitoring then marks the run as failed, and `run_retries` starts it
again.

On a laptop a run may also be executed by the process of a command, which no code server knows:
there the lock of the run's process decides.
"""

import dagster as dg
from dagster._core.errors import DagsterUserCodeUnreachableError
from dagster._core.launcher import CheckRunHealthResult, DefaultRunLauncher, WorkerStatus
from dagster._grpc.types import GetCurrentRunsResult
from dagster._serdes import deserialize_value

from stock_platform.orchestration.dagster_internals.dead_runs import is_underway, locks_runs


class HealthCheckingRunLauncher(DefaultRunLauncher):
    """A `DefaultRunLauncher` that reports whether a run's process still exists."""

    @property
    def supports_check_run_worker_health(self) -> bool:
        """Return True, so that run monitoring checks every started run."""
        return True

    def check_run_worker_health(self, run: dg.DagsterRun) -> CheckRunHealthResult:
        """Return whether the run has a process, by its lock or by its code server.

        A server that does not answer may be busy or restarting, so its runs count as running.
        `max_runtime_seconds` ends them if it never answers again.
        """
        if locks_runs(self._instance):
            if is_underway(self._instance, run):
                return CheckRunHealthResult(WorkerStatus.RUNNING)
            return CheckRunHealthResult(WorkerStatus.NOT_FOUND, "its process no longer exists")
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

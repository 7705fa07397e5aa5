"""Run a batch's driver in a child process, with a copy of the buckets as ``gs://``.

Hadoop's mount table (ViewFileSystemOverloadScheme) shows the copy to classic Spark under the
objects' real URIs, as on Google Cloud. New files are then uploaded.
"""

import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from google.cloud import dataproc_v1 as dataproc
from google.cloud import storage

from stock_platform.spark.java import find_java_home

_RAW = "org.apache.hadoop.fs.RawLocalFileSystem"
_FLAGS = "-XX:+UseSerialGC -XX:TieredStopAtLevel=1"


@dataclass(frozen=True)
class Outcome:
    """The end of a driver: its status, duration and output."""

    status: int
    seconds: float
    output_uri: str


@dataclass(frozen=True)
class Driver:
    """Runs drivers.

    Attributes:
        buckets: all buckets; the first one also receives driver output.
        script: Python that runs instead of the batch's own file.
    """

    buckets: tuple[str, ...]
    script: str | None = None

    def run(self, batch: dataproc.Batch, is_over: Callable[[], bool]) -> Outcome:
        """Run a batch's driver until it ends or is over."""
        started = time.monotonic()
        with TemporaryDirectory() as folder:
            log = Path(folder) / "driveroutput"
            mounted = Path(folder) / "buckets"
            before = self._download(mounted)
            status = self._run(batch, Path(folder), log, is_over)
            self._upload(mounted, before)
            prefix = f"google-cloud-dataproc-metainfo/{batch.uuid}/jobs/srvls-batch/driveroutput"
            blob = storage.Client().bucket(self.buckets[0]).blob(f"{prefix}.000000000")
            blob.upload_from_filename(str(log))
        return Outcome(status, time.monotonic() - started, f"gs://{self.buckets[0]}/{prefix}")

    def _download(self, mounted: Path) -> set[Path]:
        """Copy the buckets, and return their files."""
        for name in self.buckets:
            (mounted / name).mkdir(parents=True)

        def download(blob: storage.Blob) -> Path:
            file = mounted / blob.bucket.name / blob.name
            file.parent.mkdir(parents=True, exist_ok=True)
            blob.download_to_filename(str(file))
            return file

        with ThreadPoolExecutor(8) as pool:
            blobs = (blob for name in self.buckets for blob in storage.Client().list_blobs(name))
            return set(pool.map(download, blobs))

    def _upload(self, mounted: Path, before: set[Path]) -> None:
        """Upload new files; Spark never writes rows to existing ones."""
        client = storage.Client()

        def upload(file: Path) -> None:
            bucket, name = str(file.relative_to(mounted)).split("/", 1)
            client.bucket(bucket).blob(name).upload_from_filename(str(file))

        new = [path for path in mounted.rglob("*") if path.is_file() and path not in before]
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(upload, new))

    def _run(
        self, batch: dataproc.Batch, folder: Path, log: Path, is_over: Callable[[], bool]
    ) -> int:
        main = folder / "main.py"
        code = storage.Blob.from_uri(
            batch.pyspark_batch.main_python_file_uri, client=storage.Client()
        )
        main.write_bytes(self.script.encode() if self.script else code.download_as_bytes())
        command = [sys.executable, str(main), *batch.pyspark_batch.args]
        properties = dict(batch.runtime_config.properties)
        environment = self._environment(properties, folder / "buckets")
        with (
            log.open("wb") as output,
            subprocess.Popen(  # noqa: S603 - our own command
                command,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            ) as child,
        ):
            while child.poll() is None:
                if is_over():
                    os.killpg(child.pid, signal.SIGKILL)
                time.sleep(0.05)
            return int(child.returncode)

    def _environment(self, properties: dict[str, str], mounted: Path) -> dict[str, str]:
        hadoop = {
            "fs.gs.impl": "org.apache.hadoop.fs.viewfs.ViewFileSystemOverloadScheme",
            "fs.viewfs.overload.scheme.target.file.impl": _RAW,
            "fs.file.impl": _RAW,
        } | {
            f"fs.viewfs.mounttable.{name}.linkFallback": (mounted / name).as_uri()
            for name in self.buckets
        }
        settings = {
            # Dynamic allocation has no meaning on one machine.
            **{
                name: value for name, value in properties.items() if "dynamicAllocation" not in name
            },
            **{f"spark.hadoop.{name}": value for name, value in hadoop.items()},
            "spark.ui.enabled": "false",
            "spark.driver.host": "127.0.0.1",
            "spark.driver.bindAddress": "127.0.0.1",
            "spark.sql.sources.parallelPartitionDiscovery.threshold": "100000",
        }
        confs = [part for item in settings.items() for part in ("--conf", "=".join(item))]
        submit = ["--master", "local[*]", *confs, "--driver-java-options", _FLAGS, "pyspark-shell"]
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
        return {
            **kept,
            "JAVA_HOME": str(find_java_home()),
            "PYSPARK_PYTHON": sys.executable,
            "PYSPARK_SUBMIT_ARGS": shlex.join(submit),
            "PYTHONUNBUFFERED": "1",
        }

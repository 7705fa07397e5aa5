"""Atomic file operations: lake objects are read and written as a whole, through fsspec.

Object stores make an object visible when its upload ends. Local file systems do not: there an
object is written under a temporary name and renamed.
"""

import hashlib
import os
import posixpath
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import fsspec
from fsspec.implementations.local import LocalFileSystem

from stock_platform.errors import StockPlatformError

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")
# A request to an object store takes about 50 ms, however many run at the same time.
_MAX_WORKERS: Final = 16
_CLOUD_STORAGE: Final = "gs://"
_DATE: Final = "date="


class CorruptObjectError(StockPlatformError):
    """An object in the lake is missing, damaged or not what was written."""


def filesystem(uri: str) -> tuple[Any, str]:
    """Return the fsspec file system of a URI, and the path in it."""
    if uri.startswith(_CLOUD_STORAGE):
        from stock_platform.lake.cloud_storage import CloudStorage  # noqa: PLC0415 - heavy import

        return CloudStorage(), uri.removeprefix(_CLOUD_STORAGE)
    fs, path = fsspec.core.url_to_fs(uri)
    return fs, path


def register_with_duckdb(connection: "DuckDBPyConnection", uris: Iterable[str]) -> None:
    """Let a DuckDB connection read URIs that it cannot read by itself."""
    by_scheme = {uri.split("://", 1)[0]: uri for uri in uris if "://" in uri}
    for scheme in by_scheme.keys() - {"file", *connection.list_filesystems()}:
        connection.register_filesystem(filesystem(by_scheme[scheme])[0])


def use_account(account: str | None) -> None:
    """Impersonate a service account on Cloud Storage from now on. None stops impersonation."""
    fsspec.config.conf["gs"] = {"account": account} if account else {}


def map_concurrently(
    function: Callable[[_Item], _Result], items: Iterable[_Item]
) -> Iterator[_Result]:
    """Call a function for each item in threads. Yields the results in the order of the items."""
    with ThreadPoolExecutor(_MAX_WORKERS) as pool:
        yield from pool.map(function, items)


def exists(uri: str) -> bool:
    """Return whether there is an object at the URI."""
    fs, path = filesystem(uri)
    return bool(fs.exists(path))


def read(uri: str) -> bytes:
    """Return the bytes of an object.

    Raises:
        FileNotFoundError: there is no object at the URI.
    """
    fs, path = filesystem(uri)
    content: bytes = fs.cat_file(path)
    return content


def has_digest(uri: str, sha256: str) -> bool:
    """Return whether there is an object whose content has this SHA-256."""
    try:
        return hashlib.sha256(read(uri)).hexdigest() == sha256
    except FileNotFoundError:
        return False


def list_folder(folder: str) -> list[dict[str, Any]]:
    """Return fsspec's metadata of all entries of a folder. Empty if the folder is missing."""
    fs, path = filesystem(folder)
    try:
        return list(fs.ls(path, detail=True))
    except FileNotFoundError:
        return []


def list_names(folder: str) -> list[str]:
    """Return the names of all entries of a folder. Empty if the folder is missing."""
    return [entry["name"].rstrip("/").rsplit("/", 1)[-1] for entry in list_folder(folder)]


def list_sessions(folder: str) -> list[str]:
    """Return the sessions that have a ``date=`` folder, ascending, by one listing.

    Other names, such as ``date=2012-12-05.bak``, are left to `unrecognised_folders`.
    """
    return sorted(name.removeprefix(_DATE) for name in _dated(folder) if _is_session(name))


def unrecognised_folders(folder: str) -> list[str]:
    """Return one sentence per entry that starts with ``date=`` and is not of a session."""
    return [
        f"{folder}/{name} is not named after a session and was not read: rename it to "
        "date=yyyy-mm-dd, or delete it"
        for name in sorted(_dated(folder))
        if not _is_session(name)
    ]


def list_sessions_with(folder: str, name: str) -> list[str]:
    """Return the sessions with an object of this name, ascending, by one listing.

    A ``date=`` folder without such an object is left over from an interrupted write.
    """
    fs, path = filesystem(folder)
    parts = (found.rsplit("/", 2) for found in fs.find(path))
    found = {part[1] for part in parts if part[-1] == name and _is_session(part[1])}
    return sorted(session.removeprefix(_DATE) for session in found)


def _dated(folder: str) -> list[str]:
    return [name for name in list_names(folder) if name.startswith(_DATE)]


def _is_session(name: str) -> bool:
    try:
        # Compared, because fromisoformat() also accepts 20121205 and 2012-W49-3.
        return name == f"{_DATE}{date.fromisoformat(name.removeprefix(_DATE))}"
    except ValueError:
        return False


def write(uri: str, content: bytes) -> None:
    """Write an object atomically, replacing an earlier one."""
    fs, path = filesystem(uri)
    _write_atomically(fs, path, lambda target: fs.pipe_file(target, content))


def create(uri: str, content: bytes) -> None:
    """Write an object atomically and durably, if there is none. Of several writers, one succeeds.

    Raises:
        FileExistsError: there is an object with other content.
    """
    fs, path = filesystem(uri)
    try:
        if isinstance(fs, LocalFileSystem):
            _create_file(Path(path), content)
        else:
            fs.pipe_file(path, content, mode="create")
    except Exception:
        # A retried request meets the object of its own first attempt.
        if not (fs.exists(path) and fs.cat_file(path) == content):
            raise


def _create_file(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{path.name}.{uuid.uuid4().hex}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.link(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    sync(path.parent)


def sync(path: Path) -> None:
    """Write a local file or folder to the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def upload_if_missing(file: Path, uri: str) -> None:
    """Write the content of a local file to the URI, unless there is an object already.

    The file is not loaded into memory.
    """
    fs, path = filesystem(uri)
    if isinstance(fs, LocalFileSystem):
        if not fs.exists(path):
            _write_atomically(fs, path, lambda target: fs.put_file(str(file), target))
        return
    with suppress(FileExistsError):
        fs.put_file(str(file), path, mode="create")


def move_aside(uri: str) -> None:
    """Rename a damaged object, if it exists, so that another one can have its name."""
    fs, path = filesystem(uri)
    if fs.exists(path):
        fs.cp_file(path, f"{path}.damaged")
        fs.rm_file(path)


def delete(uri: str) -> None:
    """Delete an object, or a folder with its content, if it exists."""
    fs, path = filesystem(uri)
    if fs.exists(path):
        fs.rm(path, recursive=True)


def version_of(entry: Mapping[str, Any]) -> str:
    """Return the version of an object from fsspec's metadata: generation, or time and size."""
    return str(entry.get("generation") or (entry["mtime"], entry["size"]))


def _write_atomically(fs: Any, path: str, write_to: Callable[[str], object]) -> None:  # noqa: ANN401 - untyped
    if isinstance(fs, LocalFileSystem):
        fs.makedirs(posixpath.dirname(path), exist_ok=True)
        # A killed process leaves this file behind, so all listings must ignore it.
        temporary = f"{path}.{uuid.uuid4().hex}.tmp"
        try:
            write_to(temporary)
            fs.mv(temporary, path)
        except BaseException:
            with suppress(OSError):
                fs.rm_file(temporary)
            raise
    else:
        write_to(path)

"""Reading and writing whole lake objects through fsspec, so that none is ever half-written.

Object stores make an object visible when its upload ends. A directory does not: there a new
object is written beside its place and renamed into it.
"""

import posixpath
import uuid
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import date
from pathlib import Path
from typing import Any, Final, TypeVar

import fsspec
from fsspec.implementations.local import LocalFileSystem

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")
# An object store answers in some 50 ms, whatever else it is asked meanwhile.
_AT_ONCE: Final = 16
_CLOUD_STORAGE: Final = "gs://"
_DATE: Final = "date="


def filesystem(uri: str) -> tuple[Any, str]:
    """The fsspec file system of a URI, and the path in it."""
    if uri.startswith(_CLOUD_STORAGE):
        from stock_platform.lake.cloud_storage import CloudStorage  # noqa: PLC0415 - heavy import

        return CloudStorage(), uri.removeprefix(_CLOUD_STORAGE)
    fs, path = fsspec.core.url_to_fs(uri)
    return fs, path


def use_account(account: str | None) -> None:
    """Act on Cloud Storage as a service account from now on; as the environment's own with None."""
    fsspec.config.conf["gs"] = {"account": account} if account else {}


def each(function: Callable[[_Item], _Result], items: Iterable[_Item]) -> Iterator[_Result]:
    """The function's results in the order of the items, many asked for at once."""
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        yield from pool.map(function, items)


def exists(uri: str) -> bool:
    """Whether there is an object at the URI."""
    fs, path = filesystem(uri)
    return bool(fs.exists(path))


def read(uri: str) -> bytes:
    """An object's bytes.

    Raises:
        FileNotFoundError: there is none.
    """
    fs, path = filesystem(uri)
    content: bytes = fs.cat_file(path)
    return content


def listing(folder: str) -> list[dict[str, Any]]:
    """What fsspec tells of all that lies in a folder, by one listing; nothing without a folder."""
    fs, path = filesystem(folder)
    try:
        return list(fs.ls(path, detail=True))
    except FileNotFoundError:
        return []


def sessions_in(folder: str) -> list[str]:
    """The sessions that have a ``date=`` folder in a folder, ascending, by one listing.

    What else lies there, such as ``date=2012-12-05.bak``, is left out; `strangers_in` names it.
    """
    return sorted(name.removeprefix(_DATE) for name in _dated(folder) if _is_session(name))


def strangers_in(folder: str) -> list[str]:
    """URIs in a folder that begin with ``date=`` and name no session, ascending."""
    return sorted(f"{folder}/{name}" for name in _dated(folder) if not _is_session(name))


def sessions_with(folder: str, *names: str) -> list[str]:
    """Sessions whose ``date=`` folder has an object of one of these names, by one listing.

    They are ascending. A folder without one is left over from an interrupted write.
    """
    fs, path = filesystem(folder)
    parts = (found.rsplit("/", 2) for found in fs.find(path))
    found = {part[1] for part in parts if part[-1] in names and _is_session(part[1])}
    return sorted(name.removeprefix(_DATE) for name in found)


def _dated(folder: str) -> list[str]:
    names = (it["name"].rstrip("/").rsplit("/", 1)[-1] for it in listing(folder))
    return [name for name in names if name.startswith(_DATE)]


def _is_session(name: str) -> bool:
    try:
        # Others than yyyy-mm-dd are ISO dates too: 20121205, 2012-W49-3.
        return name == f"{_DATE}{date.fromisoformat(name.removeprefix(_DATE))}"
    except ValueError:
        return False


def write(uri: str, content: bytes) -> None:
    """Put an object in its place, whole; an earlier one is replaced."""
    fs, path = filesystem(uri)
    _in_place(fs, path, lambda target: fs.pipe_file(target, content))


def upload(file: Path, uri: str) -> None:
    """Put a local file's content at the URI without holding it in memory."""
    fs, path = filesystem(uri)
    _in_place(fs, path, lambda target: fs.put_file(str(file), target))


def keep(file: Path, uri: str) -> None:
    """Put a local file's content at the URI, unless there is an object already."""
    fs, path = filesystem(uri)
    if isinstance(fs, LocalFileSystem):
        if not fs.exists(path):
            upload(file, uri)
        return
    with suppress(FileExistsError):
        fs.put_file(str(file), path, mode="create")


def copy(source: str, target: str) -> None:
    """Copy an object within one file system, whole; an earlier target is replaced."""
    fs, path = filesystem(target)
    origin = filesystem(source)[1]
    _in_place(fs, path, lambda place: fs.cp_file(origin, place))


def delete(uri: str) -> None:
    """Remove an object or a folder with all it holds; removing nothing is no error."""
    fs, path = filesystem(uri)
    if fs.exists(path):
        fs.rm(path, recursive=True)


def versions(uris: Iterable[str]) -> dict[str, str]:
    """By URI what changes when its content does: the object's generation, or time and size."""
    return dict(each(_version, uris))


def _version(uri: str) -> tuple[str, str]:
    fs, path = filesystem(uri)
    info = fs.info(path)
    return uri, str(info.get("generation") or (info["mtime"], info["size"]))


def _in_place(fs: Any, path: str, put: Callable[[str], object]) -> None:  # noqa: ANN401 - untyped
    if isinstance(fs, LocalFileSystem):
        fs.makedirs(posixpath.dirname(path), exist_ok=True)
        # A process that is killed leaves this file behind: whatever lists a folder must ignore it.
        temporary = f"{path}.{uuid.uuid4().hex}.tmp"
        try:
            put(temporary)
            fs.mv(temporary, path)
        except BaseException:
            with suppress(OSError):
                fs.rm_file(temporary)
            raise
    else:
        put(path)

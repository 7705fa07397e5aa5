"""Reading and writing whole lake objects through fsspec, so that none is ever half-written.

Object stores make an object visible when its upload ends. A directory does not: there a new
object is written beside its place and renamed into it.
"""

import posixpath
import uuid
from pathlib import Path
from typing import Any

import fsspec
from fsspec.implementations.local import LocalFileSystem


def filesystem(uri: str) -> tuple[Any, str]:
    """The fsspec file system of a URI, and the path in it."""
    fs, path = fsspec.core.url_to_fs(uri)
    return fs, path


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


def write(uri: str, content: bytes) -> None:
    """Put an object in its place, whole; an earlier one is replaced."""
    fs, path = filesystem(uri)
    _make_parent(fs, path)
    if isinstance(fs, LocalFileSystem):
        beside = f"{path}.{uuid.uuid4().hex}.tmp"
        fs.pipe_file(beside, content)
        fs.mv(beside, path)
    else:
        fs.pipe_file(path, content)


def upload(file: Path, uri: str) -> None:
    """Put a local file's content at the URI without holding it in memory."""
    fs, path = filesystem(uri)
    _make_parent(fs, path)
    fs.put_file(str(file), path)


def copy(source: str, target: str) -> None:
    """Copy an object within one file system, whole; an earlier target is replaced."""
    fs, path = filesystem(target)
    _make_parent(fs, path)
    origin = filesystem(source)[1]
    if isinstance(fs, LocalFileSystem):
        beside = f"{path}.{uuid.uuid4().hex}.tmp"
        fs.cp_file(origin, beside)
        fs.mv(beside, path)
    else:
        fs.cp_file(origin, path)


def delete(uri: str) -> None:
    """Remove an object or a folder with all it holds; removing nothing is no error."""
    fs, path = filesystem(uri)
    if fs.exists(path):
        fs.rm(path, recursive=True)


def _make_parent(fs: Any, path: str) -> None:  # noqa: ANN401 - fsspec has no types
    fs.makedirs(posixpath.dirname(path), exist_ok=True)

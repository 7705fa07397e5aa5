"""Store many events in one transaction of Dagster's event log.

Dagster 1.13 stores each event by itself: on SQLite it opens an engine and a connection and commits
once in the run's file and twice in the index, on PostgreSQL it commits four times. Its own batches
are limited to materializations. A check in a range run of a year emits 252 events, so storing them
one by one would cost more than the rest of the run (docs/adr/0006, docs/quality.md).

This module is the only place that uses the storage's private `_connect`;
`test_event_transaction.py` fails when Dagster changes it.
"""

import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from typing import Any

import dagster as dg

# Two threads that replaced the same method would not restore the original.
_ONE_AT_A_TIME = threading.Lock()


@contextmanager
def one_transaction(instance: dg.DagsterInstance) -> Iterator[None]:
    """Store the events that this thread logs in one transaction per file or database.

    Other readers see none of them before the end of the block, and an error in it discards them
    all. Storages without a connection of their own, such as the one in memory, are not changed.
    """
    storage: Any = instance.event_log_storage
    if getattr(storage, "_connect", None) is None:
        yield
    else:
        with _ONE_AT_A_TIME, _shared(storage):
            yield


@contextmanager
def _shared(storage: Any) -> Iterator[None]:  # noqa: ANN401 - a private class
    connect = storage._connect  # noqa: SLF001 - see the module's docstring
    _let_one_thread_hold_two_files(storage)
    owner, opened = threading.get_ident(), {}
    with ExitStack() as stack:

        def shared(*shard: str) -> AbstractContextManager[Any]:
            if threading.get_ident() != owner:
                other: AbstractContextManager[Any] = connect(*shard)
                return other
            if shard not in opened:
                opened[shard] = stack.enter_context(_begun(connect(*shard)))
            return nullcontext(opened[shard])

        storage._connect = shared  # noqa: SLF001 - see the module's docstring
        stack.callback(setattr, storage, "_connect", connect)
        yield


@contextmanager
def _begun(connecting: AbstractContextManager[Any]) -> Iterator[Any]:
    """Begin a transaction on the connection; PostgreSQL would commit each statement."""
    with connecting as connection:
        if connection.in_transaction():
            yield connection
        else:
            with connection.execution_options(isolation_level="READ COMMITTED").begin():
                yield connection


def _let_one_thread_hold_two_files(storage: Any) -> None:  # noqa: ANN401 - a private class
    if isinstance(getattr(storage, "_db_lock", None), type(threading.Lock())):
        storage._db_lock = threading.RLock()  # noqa: SLF001 - see the module's docstring

"""Cloud Storage as the lake's file system: gcsfs, with errors that say what to do."""

from typing import Any

from gcsfs.core import GCSFileSystem, UnclosableBytesIO
from gcsfs.retry import HttpError
from requests.exceptions import ProxyError

from stock_platform.google_advice import advice
from stock_platform.google_identity import impersonated

_LISTING = "b/{}/o"
_COPY = "/rewriteTo/"


class LakeError(RuntimeError):
    """The lake refused what was asked; says what to do.

    No `OSError`: that may be damage of one object, which is mended by writing it again.
    """


class CloudStorage(GCSFileSystem):  # type: ignore[misc] # gcsfs has no types
    """Cloud Storage, whose missing objects are `FileNotFoundError` and all else `LakeError`.

    gcsfs asks again by itself, with growing pauses for up to a minute, when it is answered 408,
    429 or 5xx, or not at all. Listings are never remembered: Spark and the ERP write where this
    process does not see it.

    Args:
        account: service account to act as, in place of the environment's own.
        options: gcsfs's.
    """

    def __init__(self, account: str | None = None, **options: Any) -> None:  # noqa: ANN401
        if account:
            options["token"] = impersonated(account)
        super().__init__(**{"use_listings_cache": False, **options})

    async def _call(self, method: str, path: str, *args: Any, **options: Any) -> Any:  # noqa: ANN401
        """Ask Cloud Storage; every other method of gcsfs goes through here."""
        asked = path.format(*args) if args else path
        if isinstance(options.get("data"), bytes):
            # aiohttp 3.14 warns of a megabyte of bytes in one piece.
            options["data"] = UnclosableBytesIO(options["data"])
        try:
            return await super()._call(method, path, *args, **options)
        except FileNotFoundError as error:
            # An object that is not there may be written, and a folder without any be listed.
            writes = method.upper() in {"POST", "PUT"} and _COPY not in path
            if writes or path == _LISTING:
                raise _explained(404, f"no such bucket: {asked}") from error
            raise
        except FileExistsError:
            raise
        except HttpError as error:
            raise _explained(_status(error), f"{error.message}: {method} {asked}") from error
        except ProxyError as error:  # what gcsfs makes of 502, without a word
            raise _explained(502, f"bad gateway: {method} {asked}") from error
        except OSError as error:
            status = 403 if str(error).startswith("Forbidden") else None
            raise _explained(status, str(error)) from error
        except ValueError as error:  # what gcsfs makes of 400
            raise _explained(400, f"{error}: {method} {asked}") from error


def _explained(status: int | None, words: str) -> LakeError:
    return LakeError(f"Cloud Storage refused: {words}. {advice(status, words)}".rstrip())


def _status(error: HttpError) -> int | None:
    return int(error.code) if error.code else None

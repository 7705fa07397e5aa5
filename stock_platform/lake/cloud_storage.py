"""Cloud Storage as the file system of the lake: gcsfs with remedies in error messages."""

from typing import Any

from gcsfs.core import GCSFileSystem, UnclosableBytesIO
from gcsfs.retry import HttpError
from requests.exceptions import ProxyError

from stock_platform.errors import StockPlatformError
from stock_platform.google.credentials import impersonated
from stock_platform.google.errors import remedy_for

_LISTING = "b/{}/o"
_COPY = "/rewriteTo/"


class LakeError(StockPlatformError):
    """The lake rejected an operation. The message contains a remedy.

    Not an `OSError`: callers treat that as one damaged object and write it again.
    """


class CloudStorage(GCSFileSystem):  # type: ignore[misc] # gcsfs has no types
    """Cloud Storage that raises `FileNotFoundError` for missing objects, else `LakeError`.

    gcsfs itself retries requests without a response or with status 408, 429 or 5xx, for up to a
    minute. Listings are not cached, because Spark and the ERP also write to the buckets.

    Args:
        account: service account to impersonate instead of the environment's own.
        options: options of gcsfs.
    """

    def __init__(self, account: str | None = None, **options: Any) -> None:  # noqa: ANN401
        if account:
            options["token"] = impersonated(account)
        super().__init__(**{"use_listings_cache": False, **options})

    async def _call(self, method: str, path: str, *args: Any, **options: Any) -> Any:  # noqa: ANN401
        """Send a request. Every other method of gcsfs uses this one."""
        asked = path.format(*args) if args else path
        if isinstance(options.get("data"), bytes):
            # aiohttp 3.14 warns about bytes objects above a megabyte.
            options["data"] = UnclosableBytesIO(options["data"])
        try:
            return await super()._call(method, path, *args, **options)
        except FileNotFoundError as error:
            # Writing a new object and listing an empty folder are not errors; a missing bucket is.
            writes = method.upper() in {"POST", "PUT"} and _COPY not in path
            if writes or path == _LISTING:
                raise _explained(404, f"no such bucket: {asked}") from error
            raise
        except FileExistsError:
            raise
        except HttpError as error:
            raise _explained(_status(error), f"{error.message}: {method} {asked}") from error
        except ProxyError as error:  # raised by gcsfs for 502, without a message
            raise _explained(502, f"bad gateway: {method} {asked}") from error
        except OSError as error:
            status = 403 if str(error).startswith("Forbidden") else None
            raise _explained(status, str(error)) from error
        except ValueError as error:  # raised by gcsfs for 400
            raise _explained(400, f"{error}: {method} {asked}") from error


def _explained(status: int | None, words: str) -> LakeError:
    return LakeError(
        f"Cloud Storage rejected the request: {words}. {remedy_for(status, words)}".rstrip()
    )


def _status(error: HttpError) -> int | None:
    return int(error.code) if error.code else None

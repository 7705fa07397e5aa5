"""Acting on Google Cloud as another service account.

The orchestrator's own account reads and writes no data: it asks for tokens of accounts that may,
each for its part (`terraform/README.md` lists them). Tokens last an hour and are renewed by
google-auth; there is no key.
"""

from typing import Final

import google.auth
from google.auth.credentials import Credentials
from google.auth.impersonated_credentials import Credentials as Impersonated

_SCOPE: Final = "https://www.googleapis.com/auth/cloud-platform"


def impersonated(account: str) -> Credentials:
    """Credentials of a service account, by those that the environment has.

    Raises:
        DefaultCredentialsError: the environment has none.
    """
    own, _ = google.auth.default(scopes=[_SCOPE])
    return Impersonated(own, account, [_SCOPE])  # type: ignore[no-untyped-call]

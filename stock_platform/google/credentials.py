"""Service-account impersonation.

The orchestrator's own account has no access to data. It impersonates one account per kind of access
(`terraform/README.md` lists them). Tokens expire after an hour and google-auth renews them; there
are no keys.
"""

from typing import Final

import google.auth
from google.auth.credentials import Credentials
from google.auth.impersonated_credentials import Credentials as Impersonated

_SCOPE: Final = "https://www.googleapis.com/auth/cloud-platform"


def impersonated(account: str) -> Credentials:
    """Return credentials of a service account, obtained with the environment's own.

    Raises:
        DefaultCredentialsError: the environment has none.
    """
    own, _ = google.auth.default(scopes=[_SCOPE])
    return Impersonated(own, account, [_SCOPE])  # type: ignore[no-untyped-call]

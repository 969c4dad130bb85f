"""The vendor's own chain of credentials, for profiles that mean a real service."""

from __future__ import annotations

from typing import Any

from azure.core.credentials import AccessToken, TokenCredential
from azure.core.exceptions import ClientAuthenticationError, ServiceRequestError


def default_credential() -> TokenCredential:
    """Return the vendor's chain: environment, managed identity, `az login` and so on."""
    from azure.identity import DefaultAzureCredential

    return ProvenCredential(DefaultAzureCredential())


class ProvenCredential:
    """A credential of which a later refusal is an outage of the identity service, once it has worked.

    The vendor's chain says "no credential works" for a host that it cannot reach, too.
    """

    def __init__(self, credential: TokenCredential) -> None:
        self._credential, self._has_worked = credential, False

    def get_token(self, *scopes: str, **options: Any) -> AccessToken:
        """Return a bearer token.

        Raises:
            ClientAuthenticationError: no credential has ever worked here.
            ServiceRequestError: one has, and does not at present.
        """
        try:
            token = self._credential.get_token(*scopes, **options)
        except ClientAuthenticationError as error:
            if not self._has_worked:
                raise
            raise ServiceRequestError(f"no token at present: {error.message}") from error
        self._has_worked = True
        return token

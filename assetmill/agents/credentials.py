"""The vendor's own chain of credentials, for profiles that mean a real service."""

from __future__ import annotations

from azure.core.credentials import TokenCredential


def default_credential() -> TokenCredential:
    """Return the vendor's chain: environment, managed identity, `az login` and so on."""
    from azure.identity import DefaultAzureCredential

    return DefaultAzureCredential()

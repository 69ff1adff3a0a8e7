"""Who we are to Azure: one identity for the process, so that its tokens are fetched once."""

from __future__ import annotations

from functools import cache

from azure.core.credentials import TokenCredential
from azure.identity import DefaultAzureCredential, ManagedIdentityCredential


@cache
def credential(client_id: str = "") -> TokenCredential:
    """The user-assigned identity `client_id`; without one, whatever this environment offers.

    Asks nobody until a token is needed. A named identity is never searched for elsewhere: the
    default credential tries half a dozen places, and hides which one refused.
    """
    if client_id:
        return ManagedIdentityCredential(client_id=client_id)
    return DefaultAzureCredential()

"""Tells a caller's own service how a restore ended: one POST by HTTPS, to a public address."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from datetime import datetime
from http.client import HTTPConnection, HTTPException
from ipaddress import IPv4Address, IPv6Address, ip_address
from socket import SOCK_STREAM, create_connection, getaddrinfo
from urllib.parse import urlsplit

from restore.core.callback import headers
from restore.errors import InputError, TransientError

_TIMEOUT_SECONDS = 10
Address = IPv4Address | IPv6Address

# Of Azure's platform, for every virtual machine.
# Source: learn.microsoft.com/azure/virtual-network/what-is-ip-address-168-63-129-16
_PLATFORM = ip_address("168.63.129.16")


class CallbackAddressError(InputError):
    """The host's name leads to a machine that is not public."""

    code = "callback-address"


def is_public(address: Address) -> bool:
    """An IPv4 address that is written as IPv6 is judged as what it is."""
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    found = mapped or address
    return found.is_global and not found.is_multicast and found != _PLATFORM


class HttpsCaller:
    """Signs with the key that `secret` gives; follows no redirect."""

    def __init__(
        self,
        secret: Callable[[], str],
        context: ssl.SSLContext | None = None,
        allows: Callable[[Address], bool] = is_public,
    ) -> None:
        self._secret = secret
        self._context = context or ssl.create_default_context()
        self._allows = allows

    def call(self, url: str, content: bytes, now: datetime) -> None:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port or 443
        sent = {**headers(self._secret(), content, now), "Host": parts.netloc}
        try:
            status = self._post(host, port, parts.path, content, sent)
        except (OSError, HTTPException) as exc:
            raise TransientError(
                f"callback to {host}: expected an answer, found {type(exc).__name__}"
            ) from exc
        if not 200 <= status < 300:
            raise TransientError(f"callback to {host}: expected a status of 2xx, found {status}")

    def _post(self, host: str, port: int, path: str, content: bytes, sent: dict[str, str]) -> int:
        """The status. It goes to the very address that was judged: a name may change meanwhile."""
        where = (self._address(host, port), port)
        with (
            create_connection(where, _TIMEOUT_SECONDS) as plain,
            self._context.wrap_socket(plain, server_hostname=host) as secure,
        ):
            connection = HTTPConnection(host, port)
            connection.sock = secure
            connection.request("POST", path, content, sent)
            return connection.getresponse().status

    def _address(self, host: str, port: int) -> str:
        """One of the host's addresses, if all may be called: IPv4 first, every network has it."""
        found = [str(info[4][0]) for info in getaddrinfo(host, port, type=SOCK_STREAM)]
        if not all(self._allows(ip_address(address.partition("%")[0])) for address in found):
            raise CallbackAddressError(
                f"callback to {host}: expected public addresses, found a private one",
                "a callback never reaches into the network of the function app",
            )
        return min(found, key=lambda address: ":" in address)

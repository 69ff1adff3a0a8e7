"""A callback over real TLS: signed, to public addresses only, without redirects."""

from __future__ import annotations

from datetime import UTC, datetime
from ipaddress import ip_address

import pytest

from restore.adapters.callback import CallbackAddressError, HttpsCaller, is_public
from restore.core.callback import headers
from restore.errors import TransientError
from tests.listener import HttpsListener

NOW = datetime(2026, 11, 26, tzinfo=UTC)


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    with HttpsListener(tmp_path_factory.mktemp("tls")) as listener:
        listener.answers = {"/moved": 302, "/broken": 500}
        yield listener.url, listener.received, listener.trusted


def test_it_arrives_signed(service):
    url, received, trusted = service
    HttpsCaller(lambda: "key", trusted, lambda address: True).call(f"{url}/end", b"{}", NOW)
    path, found, body = received[-1]
    assert (path, body) == ("/end", b"{}")
    assert headers("key", b"{}", NOW).items() <= found.items()


@pytest.mark.parametrize(("path", "status"), [("/moved", "302"), ("/broken", "500")])
def test_any_other_answer_is_tried_again_and_none_is_followed(service, path, status):
    url, received, trusted = service
    with pytest.raises(TransientError, match=status):
        HttpsCaller(lambda: "key", trusted, lambda address: True).call(url + path, b"{}", NOW)
    assert received[-1][0] == path


def test_a_private_address_is_not_called(service):
    url, received, trusted = service
    count = len(received)
    with pytest.raises(CallbackAddressError, match="private"):
        HttpsCaller(lambda: "key", trusted).call(url, b"{}", NOW)
    assert len(received) == count


def test_a_server_that_proves_nothing_gets_nothing(service):
    url, received, _ = service
    count = len(received)
    with pytest.raises(TransientError, match="SSLCertVerificationError"):
        HttpsCaller(lambda: "key", allows=lambda address: True).call(url, b"{}", NOW)
    assert len(received) == count


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("20.50.2.1", True),
        ("2603:1020::1", True),
        ("10.1.2.3", False),
        ("127.0.0.1", False),
        ("169.254.169.254", False),
        ("168.63.129.16", False),
        ("100.64.0.1", False),
        ("::1", False),
        ("::ffff:10.1.2.3", False),
        ("fd00::1", False),
        ("224.0.0.1", False),
    ],
)
def test_which_addresses_are_public(address, public):
    assert is_public(ip_address(address)) is public

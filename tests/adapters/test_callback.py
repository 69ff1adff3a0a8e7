"""A callback over real TLS: signed, to public addresses only, without redirects."""

from __future__ import annotations

import ssl
import threading
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from ipaddress import ip_address

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from restore.adapters.callback import CallbackAddressError, HttpsCaller, is_public
from restore.core.callback import headers
from restore.errors import TransientError

NOW = datetime(2026, 11, 26, tzinfo=UTC)


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    """A server for localhost, what it was sent, and a client's context that trusts it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    today = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(today - timedelta(days=1))
        .not_valid_after(today + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), False)
        .sign(key, hashes.SHA256())
    )
    file = tmp_path_factory.mktemp("tls") / "both.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    file.write_bytes(private + certificate.public_bytes(serialization.Encoding.PEM))
    received = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            received.append((self.path, dict(self.headers), body))
            self.send_response({"/moved": 302, "/broken": 500}.get(self.path, 204))
            self.send_header("Location", "/elsewhere")
            self.end_headers()

        def log_message(self, *args):
            """Tests are quiet."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield (
        f"https://localhost:{server.server_port}",
        received,
        ssl.create_default_context(cafile=file),
    )
    server.shutdown()
    thread.join()
    server.server_close()


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

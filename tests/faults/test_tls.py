"""TLS: what cannot be trusted is reported at once; what was disturbed is tried again."""

import ipaddress
import socket
import ssl
import struct
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from google.api_core import exceptions

from audiostore import DEADLINE_CONFIG, ConnectionOptions, GcsStore
from audiostore.errors import StoreTlsError
from audiostore.stores.retrying import RetryingStore
from tests.timing import SimulatedTime

pytestmark = pytest.mark.row("tls")

NOT_FOUND = b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\n{}"
_USAGES = (
    "digital_signature",
    "content_commitment",
    "key_encipherment",
    "data_encipherment",
    "key_agreement",
    "key_cert_sign",
    "crl_sign",
    "encipher_only",
    "decipher_only",
)
Setup = Callable[[ssl.SSLContext], None]


@dataclass(frozen=True)
class Signed:
    """A certificate, its key, and both in a file."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey
    path: Path


def signed(
    path: Path,
    by: Signed | None = None,
    *,
    address: str = "127.0.0.1",
    days: tuple[float, float] = (-1, 1),
) -> Signed:
    """Make a certificate; without `by` it is self-signed."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, path.stem)])
    begins, ends = (datetime.now(UTC) + timedelta(days=each) for each in days)
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(by.certificate.subject if by else name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(ends)
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(address))]), False
        )
        .add_extension(x509.BasicConstraints(ca=by is None, path_length=None), True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(
                (by.key if by else key).public_key()
            ),
            False,
        )
    )
    if by is None:  # Python 3.13 asks for it
        usage = dict.fromkeys(_USAGES, False) | {"key_cert_sign": True}
        builder = builder.add_extension(x509.KeyUsage(**usage), True)
    certificate = builder.sign(by.key if by else key, hashes.SHA256())
    path.write_bytes(
        certificate.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return Signed(certificate, key, path)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("certificates")


@pytest.fixture(scope="module")
def authority(folder: Path) -> Signed:
    return signed(folder / "authority.pem")


class Server:
    """Counts connections; the first `disturbed` ones end in the handshake."""

    def __init__(self, pem: Path, setup: Setup, disturbed: int, how: str) -> None:
        self.connections = 0
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(pem)
        setup(self._context)
        self._disturbed = disturbed
        self._how = how

    def serve(self, listener: socket.socket) -> None:
        with suppress(OSError):  # the listener was closed
            while True:
                connection, _ = listener.accept()
                self.connections += 1
                with connection, suppress(OSError):
                    self._respond(connection)

    def _respond(self, connection: socket.socket) -> None:
        connection.settimeout(60)
        if self.connections <= self._disturbed:
            connection.recv(5)
            if self._how == "reset":
                linger = struct.pack("ii", 1, 0)
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            return
        if self._how == "plain":
            connection.recv(1 << 16)
            connection.sendall(NOT_FOUND)
            return
        try:
            stream = self._context.wrap_socket(connection.dup(), server_side=True)
        except ssl.SSLError:
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(1 << 16):  # closing earlier would take back what was sent
                pass
            return
        with stream:
            stream.recv(1 << 16)
            stream.sendall(NOT_FOUND)


@contextmanager
def serving(
    pem: Path, setup: Setup = lambda _: None, disturbed: int = 0, how: str = ""
) -> Iterator[tuple[Server, str]]:
    """Serve on a port; yield the server and its URL."""
    server = Server(pem, setup, disturbed, how)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=server.serve, args=(listener,), daemon=True)
        thread.start()
        yield server, f"https://127.0.0.1:{listener.getsockname()[1]}"
        listener.shutdown(socket.SHUT_RDWR)
    thread.join()


def asked(url: str, bundle: Path) -> SimulatedTime:
    """Ask for an object with the retries of the command line."""
    time = SimulatedTime()
    connections = ConnectionOptions(ca_bundle=str(bundle))
    with closing(GcsStore("bucket", emulator=url, connections=connections)) as store:
        RetryingStore(store, DEADLINE_CONFIG, sleep=time.sleep, clock=time.clock).stat("x")
    return time


def _only_tls_1_1(context: ssl.SSLContext) -> None:
    with warnings.catch_warnings(category=DeprecationWarning, action="ignore"):
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    context.set_ciphers("ALL:@SECLEVEL=0")


def _only_an_old_cipher(context: ssl.SSLContext) -> None:
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("AES128-SHA")


def _only_known_clients(context: ssl.SSLContext) -> None:
    context.verify_mode = ssl.CERT_REQUIRED


CLOCK = "check the clock of this machine"


@pytest.mark.parametrize(
    ("options", "setup", "how", "reason"),
    [
        ({"by": None}, None, "", "self-signed certificate"),
        ({"address": "127.0.0.2"}, None, "", "no alternative certificate subject name matches"),
        ({"days": (-9, -8)}, None, "", "certificate has expired"),
        ({"days": (8, 9)}, None, "", "not yet valid"),
        ({}, _only_tls_1_1, "", "protocol version"),
        ({}, _only_an_old_cipher, "", "handshake failure"),
        ({}, _only_known_clients, "", "certificate required"),
        ({}, None, "plain", "wrong version number"),
    ],
    ids=["unknown", "other host", "expired", "future", "version", "cipher", "client", "no TLS"],
)
def test_a_server_that_cannot_be_trusted_is_asked_once(
    folder: Path,
    authority: Signed,
    options: dict[str, object],
    setup: Setup | None,
    how: str,
    reason: str,
) -> None:
    certificate = signed(folder / "server.pem", **{"by": authority, **options})  # type: ignore[arg-type]
    with serving(certificate.path, setup or (lambda _: None), how=how) as (server, url):
        with pytest.raises(StoreTlsError, match=reason) as raised:
            asked(url, authority.path)
        assert server.connections == 1
    notes = " ".join(raised.value.__notes__)
    assert "attempt 1" in notes
    assert CLOCK in notes
    assert "SSL_CERT_FILE" in notes


def test_a_file_of_certificates_that_cannot_be_read_is_named(
    folder: Path, authority: Signed
) -> None:
    certificate = signed(folder / "server.pem", authority)
    with (
        serving(certificate.path) as (_, url),
        pytest.raises(StoreTlsError, match=r"nowhere\.pem") as raised,
    ):
        asked(url, folder / "nowhere.pem")
    assert "correct the name of the file" in " ".join(raised.value.__notes__)


@pytest.mark.parametrize("how", ["reset", "end"])
def test_a_handshake_that_was_disturbed_is_tried_again(
    folder: Path, authority: Signed, how: str
) -> None:
    certificate = signed(folder / "server.pem", authority)
    with serving(certificate.path, disturbed=3, how=how) as (server, url):
        with pytest.raises(exceptions.NotFound):
            asked(url, authority.path)
        assert server.connections == 3 + 2  # the object is asked for, then its bucket

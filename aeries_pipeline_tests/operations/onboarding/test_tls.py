"""TLS as a district's server may have it: good, running out, run out, unknown, another's."""

from __future__ import annotations

import ipaddress
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from aeries_pipeline.operations.onboarding.findings import Finding, Verdict
from aeries_pipeline.operations.onboarding.network import look


def write_certificate(
    folder: Path, days: int, address: str = "127.0.0.1", name_of_host: str = ""
) -> tuple[Path, Path]:
    """Make a certificate that signs itself; return the files of it and of its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=400))
        .not_valid_after(now + timedelta(days=days, hours=1))
        .add_extension(
            x509.SubjectAlternativeName(
                [x509.DNSName(name_of_host)]
                if name_of_host
                else [x509.IPAddress(ipaddress.ip_address(address))]
            ),
            critical=False,
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    certificate, secret = folder / "cert.pem", folder / "key.pem"
    certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    secret.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return certificate, secret


@contextmanager
def serving_tls(certificate: Path, secret: Path) -> Iterator[int]:
    """Answer TLS handshakes on a port of this machine until the block ends."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, secret)
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(0.2)
    over = threading.Event()

    def serve() -> None:
        while not over.is_set():
            try:
                raw, _ = listener.accept()
            except TimeoutError:
                continue
            try:
                context.wrap_socket(raw, server_side=True).close()
            except (ssl.SSLError, OSError):
                raw.close()

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        over.set()
        thread.join()
        listener.close()


def tls_of(certificate: Path, secret: Path) -> Finding:
    with serving_tls(certificate, secret) as port:
        found = look(f"https://127.0.0.1:{port}/api/v5", timeout=5.0)
    assert [one.step for one in found] == ["host name", "port", "TLS"]
    return found[-1]


@pytest.mark.parametrize(
    ("days", "verdict", "says"),
    [
        (300, Verdict.PASSED, "valid until 20"),
        (10, Verdict.WARNED, "it runs out in 10 days"),
        (-10, Verdict.FAILED, "is not valid: certificate has expired"),
    ],
)
def test_a_certificate_that_is_trusted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, days: int, verdict: Verdict, says: str
) -> None:
    certificate, secret = write_certificate(tmp_path, days)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    found = tls_of(certificate, secret)
    assert found.verdict is verdict
    assert says in found.text
    assert bool(found.ask) == (verdict is not Verdict.PASSED)


def test_a_certificate_that_nobody_vouches_for(tmp_path: Path) -> None:
    found = tls_of(*write_certificate(tmp_path, 300))
    assert found.verdict is Verdict.FAILED
    assert "self-signed certificate" in found.text
    assert "intermediate certificates" in found.ask


def test_a_certificate_of_another_host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    certificate, secret = write_certificate(tmp_path, 300, address="127.0.0.9")
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    found = tls_of(certificate, secret)
    assert found.verdict is Verdict.FAILED
    assert "IP address mismatch" in found.text

"""The edge with a certificate."""

import socket
import ssl
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from stack.ports import Ports, free_port
from tests.stack.edge.asking import HTTP, running


def _certificate(folder: Path, serial: int) -> ssl.SSLContext:
    """Writes a certificate for localhost and its key, each in one step; a context that trusts it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), serial)
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = certificate.public_bytes(Encoding.PEM)
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    for name_, content in (("key.pem", private), ("cert.pem", pem)):
        (folder / f".{name_}").write_bytes(content)
        (folder / f".{name_}").replace(folder / name_)
    return ssl.create_default_context(cadata=pem.decode())


def _serial(port: int) -> int:
    """The serial number of the certificate that is shown on this port."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with (
        socket.create_connection(("127.0.0.1", port), timeout=10) as connection,
        context.wrap_socket(connection, server_hostname="localhost") as secured,
    ):
        shown = secured.getpeercert(binary_form=True)
    assert shown
    return x509.load_der_x509_certificate(shown).serial_number


def test_with_a_certificate_the_edge_speaks_https_leads_there_and_takes_a_new_one_while_it_runs(
    tmp_path: Path,
) -> None:
    trusting = _certificate(tmp_path, serial=1)
    redirect = free_port()
    settings = {
        "MCPANEL_EDGE_CERTIFICATE": str(tmp_path / "cert.pem"),
        "MCPANEL_EDGE_PRIVATE_KEY": str(tmp_path / "key.pem"),
        "MCPANEL_REDIRECT_PORT": str(redirect),
        "MCPANEL_PROFILE": "production",
        "MCPANEL_EDGE_HOST": "0.0.0.0",  # noqa: S104 - what a certificate allows
    }

    ports = Ports.free()
    with running(tmp_path, settings, ports) as port:
        with httpx.Client(verify=trusting, trust_env=False) as https:
            secure = https.get(f"https://localhost:{port}/api/v1/roles?no=1")
            app = https.get(f"https://localhost:{ports.apps}/")
        led = HTTP.post(f"http://localhost:{redirect}/auth/login?x=1")
        elsewhere = HTTP.get(f"http://localhost:{redirect}/", headers={"host": "evil.example"})
        before = _serial(port)
        _certificate(tmp_path, serial=2)
        end = time.monotonic() + 20
        while _serial(port) != 2 and time.monotonic() < end:
            time.sleep(0.1)
        after = _serial(port)

    assert secure.status_code == 400
    assert app.status_code == 404
    for answer in (secure, app):
        assert answer.headers["strict-transport-security"] == "max-age=31536000"
    assert (led.status_code, led.headers["location"]) == (308, f"https://localhost:{port}/auth/login?x=1")
    assert "location" not in elsewhere.headers
    assert (before, after) == (1, 2)

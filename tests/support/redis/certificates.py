"""Certificates of a test authority, made with openssl, for servers on 127.0.0.1 and their clients."""

import subprocess
from pathlib import Path
from urllib.parse import urlencode

import pytest

_CURVE = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")


def lacks_tls(said: str) -> bool:
    """Tell if a server that did not start was built without TLS, by its output."""
    return "tls-port" in said or "Failed finding TLS support" in said


class Certificates:
    """An authority, and what it certified: a server and a client."""

    def __init__(self, directory: Path) -> None:
        """Make them in a directory; the test is skipped where there is no openssl."""
        self._directory = directory
        self.ca = directory / "ca.crt"
        try:
            self._openssl(
                *("req", "-x509", *_CURVE, "-keyout", "ca.key", "-out", "ca.crt", "-subj", "/CN=ca", "-days", "2")
            )
        except (OSError, subprocess.CalledProcessError):
            pytest.skip("there is no openssl to make certificates with")
        (directory / "san").write_text("subjectAltName=IP:127.0.0.1")
        for name in ("server", "client"):
            self._openssl("req", *_CURVE, "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}")
            signing = ("-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2", "-extfile", "san")
            self._openssl("x509", "-req", "-in", f"{name}.csr", "-out", f"{name}.crt", *signing)

    def _openssl(self, *arguments: str) -> None:
        subprocess.run(["openssl", *arguments], cwd=self._directory, check=True, capture_output=True, timeout=30)

    def of(self, name: str) -> tuple[str, str]:
        """The files of the "server" or the "client": certificate and key."""
        return str(self._directory / f"{name}.crt"), str(self._directory / f"{name}.key")

    def for_server(self, port: int) -> list[str]:
        """Arguments for a redis-server that takes nothing but TLS and known clients."""
        certificate, key = self.of("server")
        files = ["--tls-ca-cert-file", str(self.ca), "--tls-cert-file", certificate, "--tls-key-file", key]
        return ["--port", "0", "--tls-port", str(port), *files]

    def for_client(self, *, known: bool = True, trusting: bool = True) -> str:
        """The query of an address: with a certificate of one's own, and trust in the authority, or without."""
        certificate, key = self.of("client")
        query = {"ssl_ca_certs": str(self.ca)} if trusting else {}
        return urlencode(query | ({"ssl_certfile": certificate, "ssl_keyfile": key} if known else {}))

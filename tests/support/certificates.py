"""Certificates for programs of a test that speak TLS on loopback."""

from __future__ import annotations

from pathlib import Path

import trustme


def issue(folder: Path) -> None:
    """Write ca.crt, and tls.crt with tls.key for 127.0.0.1; another.crt is a CA that has issued none of them."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(folder / "ca.crt"))
    certificate = authority.issue_cert("127.0.0.1")
    certificate.cert_chain_pems[0].write_to_path(str(folder / "tls.crt"))
    certificate.private_key_pem.write_to_path(str(folder / "tls.key"))
    trustme.CA().cert_pem.write_to_path(str(folder / "another.crt"))

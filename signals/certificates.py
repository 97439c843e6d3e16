"""In the place of cert-manager: an authority, and the certificate that the collector asks for, as its Secret would hold both."""

from __future__ import annotations

import datetime
import ipaddress
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

LOOPBACK = "127.0.0.1"
"""Stands for the collector's host here, so the certificate is for it as well."""
_LIFETIME = datetime.timedelta(days=1)


def write(certificate: Mapping[str, Any], authority: Mapping[str, Any], folder: Path) -> Path:
    """Writes ca.crt, tls.crt and tls.key by the specs of both Certificates; the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    keys = [ec.generate_private_key(ec.SECP256R1()) for _ in range(2)]
    issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, authority["commonName"])])
    root = (
        _builder(issuer, issuer, keys[0])
        .add_extension(x509.BasicConstraints(ca=authority["isCA"], path_length=None), critical=True)
        .sign(keys[0], hashes.SHA256())
    )
    names = [*(x509.DNSName(name) for name in certificate["dnsNames"]), x509.IPAddress(ipaddress.ip_address(LOOPBACK))]
    leaf = (
        _builder(x509.Name([]), issuer, keys[1])
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName(names), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(keys[0], hashes.SHA256())
    )
    for name, made in (("ca.crt", root), ("tls.crt", leaf)):
        (folder / name).write_bytes(made.public_bytes(serialization.Encoding.PEM))
    key = folder / "tls.key"
    key.touch(mode=0o600)
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    key.write_bytes(keys[1].private_bytes(*form))
    return folder


def _builder(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    signer = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key.public_key())
    return signer.serial_number(x509.random_serial_number()).not_valid_before(now - _LIFETIME).not_valid_after(now + _LIFETIME)

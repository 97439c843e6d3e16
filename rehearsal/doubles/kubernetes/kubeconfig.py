"""Kubeconfig files: which API server, trusted how, as whom."""

import base64
import os
import ssl
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from rehearsal.doubles.kubernetes.errors import Refusal

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True)
class Endpoint:
    """An API server and our way in."""

    server: str
    namespace: str
    headers: dict[str, str]
    tls: ssl.SSLContext | None


def parse(path_or_text: str) -> dict[str, Any]:
    """The kubeconfig as data, from a path or from its text."""
    path = Path(path_or_text).expanduser() if "\n" not in path_or_text and len(path_or_text) < 4096 else None
    text = path.read_text() if path is not None and path.is_file() else path_or_text
    try:
        data = yaml.load(text, Loader=_Loader)
    except yaml.YAMLError as error:
        raise Refusal(f"the kubeconfig is not YAML: {' '.join(str(error).split())}") from None
    if not isinstance(data, dict):
        raise Refusal("couldn't get version/kind; json parse error: the kubeconfig is neither a file that exists nor a kubeconfig's text")
    return data


def ambient() -> dict[str, Any]:
    """The user's own kubeconfig: the files of KUBECONFIG, of which the first that names a thing wins, or ~/.kube/config."""
    names = os.environ.get("KUBECONFIG") or str(Path.home() / ".kube" / "config")
    merged: dict[str, Any] = {"clusters": [], "contexts": [], "users": []}
    for name in names.split(os.pathsep):
        if not Path(name).is_file():
            continue
        data = parse(name)
        merged.setdefault("current-context", data.get("current-context"))
        for key in ("clusters", "contexts", "users"):
            merged[key].extend(data.get(key) or [])
    return merged


def active_cluster(data: dict[str, Any], context: str = "", cluster: str = "") -> dict[str, Any] | None:
    """The cluster entry that the kubeconfig, with the overrides, points at."""
    entry = _named(data, "contexts", context or data.get("current-context") or "", "context")
    return _named(data, "clusters", cluster or entry.get("cluster", ""), "cluster") if entry is not None else None


def endpoint(data: dict[str, Any], context: str = "", namespace: str = "") -> Endpoint:
    """The API server of the kubeconfig's context; Refusal where the kubeconfig does not lead to one."""
    name = context or data.get("current-context") or ""
    entry = _named(data, "contexts", name, "context")
    if entry is None:
        raise Refusal(f'context "{name}" does not exist' if name else "invalid configuration: no configuration has been provided")
    target = active_cluster(data, context)
    if not target or not target.get("server"):
        raise Refusal(f'invalid configuration: cluster "{entry.get("cluster", "")}" has no server')
    user = _named(data, "users", entry.get("user", ""), "user") or {}
    for way in ("exec", "auth-provider"):
        if way in user:
            raise Refusal(f'user "{entry["user"]}" signs in by {way}: the kubernetes double knows tokens, passwords and certificates')
    return Endpoint(target["server"].rstrip("/"), namespace or entry.get("namespace") or "default", _headers(user), _tls(target, user))


def _named(data: dict[str, Any], plural: str, name: str, singular: str) -> dict[str, Any] | None:
    for entry in data.get(plural) or []:
        if entry.get("name") == name:
            return entry.get(singular) or {}
    return None


def _headers(user: dict[str, Any]) -> dict[str, str]:
    if user.get("tokenFile"):
        return {"Authorization": f"Bearer {Path(user['tokenFile']).read_text().strip()}"}
    if user.get("token"):
        return {"Authorization": f"Bearer {user['token']}"}
    if user.get("username"):
        pair = base64.b64encode(f"{user['username']}:{user.get('password', '')}".encode()).decode()
        return {"Authorization": f"Basic {pair}"}
    return {}


def _tls(cluster: dict[str, Any], user: dict[str, Any]) -> ssl.SSLContext | None:
    if not cluster["server"].startswith("https://"):
        return None
    authority = _decoded(cluster, "certificate-authority-data")
    tls = ssl.create_default_context(cafile=cluster.get("certificate-authority"), cadata=authority.decode() if authority else None)
    if cluster.get("insecure-skip-tls-verify"):
        tls.check_hostname = False
        tls.verify_mode = ssl.CERT_NONE
    certificate, key = _decoded(user, "client-certificate-data"), _decoded(user, "client-key-data")
    if certificate and key:
        # The ssl module takes certificates from files alone.
        with tempfile.NamedTemporaryFile() as both:
            both.write(certificate + b"\n" + key)
            both.flush()
            tls.load_cert_chain(both.name)
    elif user.get("client-certificate"):
        tls.load_cert_chain(user["client-certificate"], user.get("client-key"))
    return tls


def _decoded(entry: dict[str, Any], key: str) -> bytes:
    return base64.b64decode(entry.get(key) or "")

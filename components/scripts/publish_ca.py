"""Writes an authority's certificate into ConfigMaps, as a Job in the cluster, so that whoever connects can trust what it has signed.
Python's standard library only.

Environment:
    AUTHORITY     file with the certificate, PEM
    CONFIG_MAP    name of the ConfigMaps, which are there already; the certificate becomes their key ca.crt
    NAMESPACES    where they are, separated by commas
    ACCOUNT       folder with the token and ca.crt of the pod's ServiceAccount (default: where Kubernetes puts them)
    KUBERNETES_SERVICE_HOST, KUBERNETES_SERVICE_PORT    the API server, as Kubernetes says it to every pod

Exit code 0 when every ConfigMap holds the certificate; else 1, after one line that starts with "error:" for each that does not.
"""

from __future__ import annotations

import json
import os
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from ssl import SSLContext, create_default_context

ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount"
MANAGER = "istio-stack-otlp-ca"
"""Name under which the API server remembers who wrote the key, so that nobody who applies the rest takes it away."""
REQUEST_SECONDS = 10.0


class Failure(Exception):
    """Why a certificate was not written, in one line."""


def read(path: Path, what: str) -> str:
    """The text of a file. Raises Failure."""
    try:
        return path.read_text()
    except OSError as error:
        raise Failure(f"{what} {path}: {error.strerror}") from None


def write(url: str, name: str, namespace: str, certificate: str, token: str, trust: SSLContext) -> None:
    """Applies the one key of a ConfigMap. Raises Failure."""
    body = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": namespace},
        "data": {"ca.crt": certificate},
    }
    request = urllib.request.Request(
        f"{url}/api/v1/namespaces/{namespace}/configmaps/{name}?fieldManager={MANAGER}&force=true",
        data=json.dumps(body).encode(),
        method="PATCH",
        headers={"Content-Type": "application/apply-patch+yaml", "Authorization": f"Bearer {token}"},
    )
    try:
        # no proxy is asked: the API server is in the cluster, or as good as
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=trust))
        with opener.open(request, timeout=REQUEST_SECONDS):
            pass
    except urllib.error.HTTPError as error:
        raise Failure(f"ConfigMap {namespace}/{name}: {_reason(error)}") from None
    except (OSError, ValueError) as error:
        raise Failure(f"ConfigMap {namespace}/{name}: {getattr(error, 'reason', None) or error}") from None


def _reason(error: urllib.error.HTTPError) -> str:
    """What the API server says of a request that it refuses."""
    try:
        return str(json.loads(error.read())["message"])
    except (OSError, ValueError, KeyError, TypeError):
        return f"{error.code} {error.reason}"


def publish(environment: Mapping[str, str]) -> list[str]:
    """Writes every ConfigMap and says what went wrong, a line for each. Raises Failure where none can be written."""
    account = Path(environment.get("ACCOUNT", ACCOUNT))
    certificate = read(Path(environment["AUTHORITY"]), "the authority's certificate")
    if "-----BEGIN CERTIFICATE-----" not in certificate:
        raise Failure(f"the authority's certificate {environment['AUTHORITY']}: holds no certificate in PEM")
    token = read(account / "token", "the token").strip()
    try:
        trust = create_default_context(cafile=str(account / "ca.crt"))
    except OSError as error:
        raise Failure(f"the API server's authority {account / 'ca.crt'}: {error.strerror or error}") from None
    host, port = environment["KUBERNETES_SERVICE_HOST"], environment.get("KUBERNETES_SERVICE_PORT", "443")
    url = f"https://{f'[{host}]' if ':' in host else host}:{port}"
    wrong = []
    for namespace in environment["NAMESPACES"].split(","):
        try:
            write(url, environment["CONFIG_MAP"], namespace, certificate, token, trust)
        except Failure as error:
            wrong.append(str(error))
        else:
            print(f"ConfigMap {namespace}/{environment['CONFIG_MAP']} holds the authority's certificate", flush=True)
    return wrong


def main() -> int:
    """Writes, and returns the exit code."""
    try:
        wrong = publish(os.environ)
    except Failure as error:
        wrong = [str(error)]
    except KeyError as error:
        wrong = [f"{error.args[0]} is not set"]
    for line in wrong:
        print(f"error: {line}", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())

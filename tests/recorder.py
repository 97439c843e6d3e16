"""The recording engine of `make render`, under the name by which tests know it."""

from review.recorder import (
    ACCOUNT_KEYS,
    ISSUER,
    KUBECONFIG,
    LOAD_BALANCER,
    SECRET,
    SIGNATURE,
    UNKNOWN,
    Registered,
    Run,
    leaves,
    run,
)

__all__ = [
    "ACCOUNT_KEYS",
    "ISSUER",
    "KUBECONFIG",
    "LOAD_BALANCER",
    "SECRET",
    "SIGNATURE",
    "UNKNOWN",
    "Registered",
    "Run",
    "leaves",
    "run",
]

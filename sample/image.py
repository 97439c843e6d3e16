"""Builds the image of rolldice and loads it into a kind cluster: `python -m sample.image [--cluster NAME]`."""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
IMAGE = "istio-stack/rolldice:" + (HERE / "VERSION").read_text().strip()
QUESTION_SECONDS = 30
BUILD_SECONDS = 900
LOAD_SECONDS = 300
NEEDED = {
    "docker": "it builds the image",
    "kind": "it loads the image into a cluster; for any other cluster, build sample/ and push it to a registry that the cluster reads",
}


class ImageError(Exception):
    """Why there is no image in the cluster, in one line."""


def main(arguments: list[str] | None = None) -> int:
    """Builds, loads and says how to use the image; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m sample.image", description=f"Builds {IMAGE} and loads it into a kind cluster.")
    parser.add_argument("--cluster", default=os.environ.get("KIND_CLUSTER_NAME") or "kind", help="kind cluster (default: %(default)s)")
    cluster = parser.parse_args(arguments).cluster
    try:
        check(cluster)
        build()
        load(cluster)
    except ImageError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(
        f"{IMAGE} is in the kind cluster {cluster}. To use it:\n"
        f"  pulumi config set --path istio-stack:sampleApp.image {IMAGE}\n"
        f"or, in the stack's file:\n"
        f"  istio-stack:sampleApp: {{image: {IMAGE!r}}}"
    )
    return 0


def check(cluster: str) -> None:
    """Everything that can be known before the long build. Raises ImageError."""
    for tool, purpose in NEEDED.items():
        if shutil.which(tool) is None:
            raise ImageError(f"{tool} is not on PATH: {purpose}")
    _answer("docker", "version", "--format", "{{.Server.Version}}", failure="docker does not answer; is it running?")
    found = _answer("kind", "get", "clusters", failure="kind does not answer").split()
    if cluster not in found:
        others = ", ".join(found) or "none"
        raise ImageError(f"there is no kind cluster {cluster!r} (found: {others}): `kind create cluster --name {cluster}` makes it")


def build() -> None:
    """Builds the image. Raises ImageError."""
    # An attestation that docker adds of itself makes `kind load` fail with "content digest not found"
    # (https://github.com/kubernetes-sigs/kind/issues/3795).
    environment = {**os.environ, "BUILDX_NO_DEFAULT_ATTESTATIONS": "1"}
    _run("docker", "build", "--tag", IMAGE, str(HERE), seconds=BUILD_SECONDS, environment=environment)


def load(cluster: str) -> None:
    """Loads the image into the nodes of the cluster. Raises ImageError."""
    _run("kind", "load", "docker-image", IMAGE, "--name", cluster, seconds=LOAD_SECONDS)


def _answer(*command: str, failure: str) -> str:
    """What a short question to a tool prints."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=QUESTION_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        raise ImageError(f"{failure} (no answer to `{' '.join(command)}` in {QUESTION_SECONDS} s)") from None
    if done.returncode:
        said = " ".join(done.stderr.split()) or f"exit code {done.returncode}"
        raise ImageError(f"{failure} ({said[:300]})")
    return done.stdout


def _run(*command: str, seconds: int, environment: dict[str, str] | None = None) -> None:
    """Runs a command that shows its own progress."""
    sentence = " ".join(command[:2])
    try:
        done = subprocess.run(command, env=environment, timeout=seconds, check=False)
    except subprocess.TimeoutExpired:
        raise ImageError(f"`{sentence}` took longer than {seconds} s") from None
    if done.returncode:
        raise ImageError(f"`{sentence}` failed with exit code {done.returncode}; its reason is above")


if __name__ == "__main__":
    sys.exit(main())

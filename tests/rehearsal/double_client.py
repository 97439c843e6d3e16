"""Speaks to a double as the engine does, resource by resource."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from rehearsal.doubles.kubernetes.host import Host
from tests.rehearsal import tape

SECRET = "4dabf18193072939515e22adb298388d"
MARK = "1b47061264138c4ac30d75fd1eb44270"
UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
RELEASE = "kubernetes:helm.sh/v3:Release"


def secret(value: Any) -> dict[str, Any]:
    """The value in a secret envelope."""
    return {SECRET: MARK, "value": value}


class Listener(Host):
    """A host that keeps the messages."""

    def __init__(self) -> None:
        super().__init__(None)
        self.messages: list[str] = []

    def info(self, message: str, urn: str = "") -> None:
        self.messages.append(message)

    def warn(self, message: str, urn: str = "") -> None:
        self.messages.append(message)

    def status(self, message: str, urn: str) -> None:
        self.messages.append(message)


@dataclass
class Answer:
    """An answer of the double: the error is empty when it succeeded; `kept` is the state that an error leaves."""

    body: dict[str, Any]
    error: str
    kept: Any

    @property
    def state(self) -> dict[str, Any]:
        """The resource's state."""
        assert not self.error, self.error
        return self.body["properties"]

    @property
    def inputs(self) -> dict[str, Any]:
        """The checked inputs."""
        assert not self.error, self.error
        return self.body["inputs"]


@dataclass
class Client:
    """One configured double."""

    stub: Any
    listener: Listener = field(default_factory=Listener)

    def call(self, method: str, request: dict[str, Any]) -> Answer:
        body, error, kept = tape.answer(self.stub, method, request)
        return Answer(body or {}, error, kept)

    def check(self, kind: str, news: dict[str, Any], olds: dict[str, Any] | None = None, **more: Any) -> Answer:
        return self.call("Check", {"urn": urn(kind), "news": news, "olds": olds or {}, **more})

    def diff(self, kind: str, state: dict[str, Any], news: dict[str, Any], **more: Any) -> dict[str, Any]:
        answer = self.call("Diff", {"urn": urn(kind), "id": "x", "olds": state, "news": news, **more})
        assert not answer.error, answer.error
        return answer.body

    def create(self, kind: str, inputs: dict[str, Any], **more: Any) -> Answer:
        return self.call("Create", {"urn": urn(kind), "properties": inputs, **more})

    def update(self, kind: str, state: dict[str, Any], news: dict[str, Any], **more: Any) -> Answer:
        return self.call("Update", {"urn": urn(kind), "id": "x", "olds": state, "news": news, **more})

    def read(self, kind: str, identifier: str, state: dict[str, Any] | None = None, inputs: dict[str, Any] | None = None) -> Answer:
        return self.call("Read", {"urn": urn(kind), "id": identifier, "properties": state or {}, "inputs": inputs or {}})

    def delete(self, kind: str, identifier: str, state: dict[str, Any], **more: Any) -> Answer:
        return self.call("Delete", {"urn": urn(kind), "id": identifier, "properties": state, **more})


def urn(kind: str, name: str = "thing") -> str:
    """The URN of a resource of this type, inside a component as in the program."""
    return f"urn:pulumi:test::istio-stack::istio-stack:layer:Layer${kind}::{name}"


@contextmanager
def client(kubeconfig: str, **arguments: str) -> Iterator[Client]:
    """A double, configured with a kubeconfig (path or text) and further arguments."""
    listener = Listener()
    with tape.running_double(listener) as stub:
        found = Client(stub, listener)
        variables = {f"kubernetes:config:{key}": value for key, value in {"kubeconfig": kubeconfig, **arguments}.items()}
        answer = found.call("Configure", {"variables": variables, "acceptSecrets": True, "acceptResources": True})
        assert not answer.error, answer.error
        yield found

"""Proves from the API server's own records that nothing was made before what has to admit it could serve.

Admission webhooks are off in the rehearsal's API server, as no pod serves them there. So each object that a webhook with
`failurePolicy: Fail` covers is held against the Available condition of the Deployment behind that webhook: on a real cluster an
older one would have been refused. Covered means what it means to the API server: rules (groups, resources, scope, CREATE),
namespaceSelector and objectSelector, in whatever version the object was sent; matchConditions are not evaluated, which covers
more, never less. Nothing is exempt: an object that the webhook's own chart brings too early would be refused just the same.
Two things are out of reach: a webhook behind a URL, and a pod that opted out of injection by its label.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from rehearsal.selectors import matches, selects

_CONFIGURATIONS = ("mutatingwebhookconfigurations", "validatingwebhookconfigurations")
_ADMISSION = "/apis/admissionregistration.k8s.io/v1"


@dataclass(frozen=True)
class Gate:
    """What has to serve before others may be made."""

    name: str
    available: datetime | None
    """When its Deployment became available; None if it is not, or there is none."""
    problem: str = ""
    """Why it has no such moment."""


@dataclass(frozen=True)
class Pair:
    """One object and the gate it was held against."""

    thing: str
    created: datetime
    gate: Gate

    @property
    def violation(self) -> str:
        """What is wrong, empty if nothing is."""
        if self.gate.available is None:
            return f"{self.thing}: created {self.created:%H:%M:%S}, while {self.gate.name} never served: {self.gate.problem}"
        if self.created < self.gate.available:
            late = (self.gate.available - self.created).total_seconds()
            return f"{self.thing}: created {self.created:%H:%M:%S}, {late:g} s before {self.gate.name} was available"
        return ""


@dataclass
class Proof:
    """What was held against what."""

    gates: set[str] = field(default_factory=set)
    pairs: list[Pair] = field(default_factory=list)

    @property
    def violations(self) -> list[str]:
        """One line for each object made too early."""
        return list(dict.fromkeys(pair.violation for pair in self.pairs if pair.violation))

    def summary(self) -> str:
        """The result as one line."""
        if self.violations:
            return f"{len(self.violations)} of {len(self.pairs)} objects were made before what admits them"
        if not self.pairs:
            return f"nothing new to hold against {len(self.gates)} gates"
        return f"{len(self.pairs)} pairs of object and gate hold, over {len(self.gates)} gates"


def prove(api: Any, since: datetime | None = None) -> Proof:
    """Holds all covered objects against their gates, or those made since a moment, when an earlier proof covers the others.

    `api` answers `request("GET", path)` with JSON.
    """
    records = _Records(api)
    proof = Proof()
    for configuration in (_items(api, f"{_ADMISSION}/{kind}") for kind in _CONFIGURATIONS):
        for webhooks in configuration:
            for webhook in webhooks.get("webhooks", []):
                service = webhook["clientConfig"].get("service")
                if webhook.get("failurePolicy", "Fail") == "Fail" and service:
                    gate = records.gate_behind(f"{webhooks['metadata']['name']}/{webhook['name']}", service)
                    proof.gates.add(gate.name)
                    proof.pairs += [_pair(kind, thing, gate) for kind, thing in records.covered(webhook)]
    for kind, pod, gate in records.injected():
        proof.gates.add(gate.name)
        proof.pairs.append(_pair(kind, pod, gate))
    if since:
        proof.pairs = [pair for pair in proof.pairs if pair.created >= since.replace(microsecond=0)]
    return proof


class _Records:
    """What the API server knows, each list asked for once."""

    def __init__(self, api: Any) -> None:
        self._api = api
        self._lists: dict[str, list[dict[str, Any]]] = {}
        self._namespaces = {item["metadata"]["name"]: item["metadata"].get("labels") or {} for item in self._list("/api/v1/namespaces")}
        self._deployments = self._list("/apis/apps/v1/deployments")
        self._groups: dict[str, str] | None = None
        self._resource_lists: dict[str, list[dict[str, Any]]] = {}

    def gate_behind(self, webhook: str, service: Mapping[str, Any]) -> Gate:
        """The Deployment that the Service of a webhook selects."""
        namespace, name = service["namespace"], service["name"]
        found = [
            item
            for item in self._list("/api/v1/services")
            if (item["metadata"]["namespace"], item["metadata"]["name"]) == (namespace, name)
        ]
        if not found:
            return Gate(f"webhook {webhook}", None, f"there is no Service {namespace}/{name}")
        selector = found[0]["spec"].get("selector") or {}
        behind = [
            item
            for item in self._deployments
            if selector and item["metadata"]["namespace"] == namespace and selector.items() <= _labels(item["spec"]["template"]).items()
        ]
        return self._gate(f"webhook {webhook}", behind, f"Service {namespace}/{name} selects no Deployment")

    def injected(self) -> Iterator[tuple[str, dict[str, Any], Gate]]:
        """The pods of namespaces with injection, each with the istiod of its revision."""
        istiods = [item for item in self._deployments if _labels(item["spec"]["template"]).get("app") == "istiod"]
        for pod in self._list("/api/v1/pods"):
            namespace = self._namespaces.get(pod["metadata"]["namespace"], {})
            revision = "default" if namespace.get("istio-injection") == "enabled" else namespace.get("istio.io/rev")
            if not revision or _labels(pod).get("sidecar.istio.io/inject") == "false":
                continue
            own = [istiod for istiod in istiods if _labels(istiod["spec"]["template"]).get("istio.io/rev", "default") == revision]
            yield "Pod", pod, self._gate(f"injection ({revision})", own or istiods, "there is no istiod")

    def covered(self, webhook: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
        """Each object whose creation the webhook has a say in, with its kind."""
        seen = set()
        for rule in webhook.get("rules", []):
            if not {"CREATE", "*"} & set(rule["operations"]):
                continue
            for kind, path in self._resources(rule):
                for item in [] if path in seen else self._list(path):
                    if self._selected(webhook, kind, item):
                        yield kind, item
                seen.add(path)

    def _selected(self, webhook: Mapping[str, Any], kind: str, item: Mapping[str, Any]) -> bool:
        namespace = item["metadata"].get("namespace")
        # A namespaceSelector looks at a Namespace's own labels, and lets every other cluster-wide object pass.
        labels = self._namespaces.get(namespace, {}) if namespace else _labels(item) if kind == "Namespace" else None
        in_namespace = labels is None or matches(webhook.get("namespaceSelector"), labels)
        return in_namespace and matches(webhook.get("objectSelector"), _labels(item))

    def _resources(self, rule: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        """Kind and list path of every resource that a rule names."""
        for group, prefix in self._served().items():
            if not {group, "*"} & set(rule["apiGroups"]):
                continue
            for resource in self._resources_of(prefix):
                scope = "Namespaced" if resource["namespaced"] else "Cluster"
                listable = {"list", "create"} <= set(resource["verbs"]) and "/" not in resource["name"]
                if listable and selects(rule["resources"], resource["name"]) and rule.get("scope", "*") in ("*", scope):
                    yield resource["kind"], f"{prefix}/{resource['name']}"

    def _resources_of(self, prefix: str) -> list[dict[str, Any]]:
        if prefix not in self._resource_lists:
            self._resource_lists[prefix] = self._api.request("GET", prefix)["resources"]
        return self._resource_lists[prefix]

    def _served(self) -> dict[str, str]:
        """Path of the preferred version, by API group: an object shows in each version, in whichever it was sent."""
        if self._groups is None:
            groups = self._api.request("GET", "/apis")["groups"]
            self._groups = {"": "/api/v1", **{group["name"]: f"/apis/{group['preferredVersion']['groupVersion']}" for group in groups}}
        return self._groups

    def _list(self, path: str) -> list[dict[str, Any]]:
        if path not in self._lists:
            self._lists[path] = _items(self._api, path)
        return self._lists[path]

    @staticmethod
    def _gate(name: str, deployments: list[dict[str, Any]], problem: str) -> Gate:
        moments = []
        for deployment in deployments:
            shown = f"{deployment['metadata']['namespace']}/{deployment['metadata']['name']}"
            problem = f"Deployment {shown} is not available"
            for condition in deployment.get("status", {}).get("conditions", []):
                if condition["type"] == "Available" and condition["status"] == "True":
                    moments.append((_moment(condition["lastTransitionTime"]), shown))
        if not moments:
            return Gate(name, None, problem)
        first, shown = min(moments)
        return Gate(f"{name} (Deployment {shown})", first)


def _pair(kind: str, item: Mapping[str, Any], gate: Gate) -> Pair:
    metadata = item["metadata"]
    name = "/".join(part for part in (metadata.get("namespace"), metadata["name"]) if part)
    return Pair(f"{kind} {name}", _moment(metadata["creationTimestamp"]), gate)


def _items(api: Any, path: str) -> list[dict[str, Any]]:
    return api.request("GET", path)["items"]


def _labels(item: Mapping[str, Any]) -> Mapping[str, str]:
    return item["metadata"].get("labels") or {}


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)

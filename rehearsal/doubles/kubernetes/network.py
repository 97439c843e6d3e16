"""Readiness of what leads to pods: Service and Ingress."""

import time
from typing import Any

from rehearsal.doubles.kubernetes.awaiting import Readiness, Wait
from rehearsal.doubles.kubernetes.shapes import name_of

# The real plugin gives endpoints that changed so long to settle, before it calls a Service ready.
SETTLE_SECONDS = 10.0


def _ingress_of(obj: dict[str, Any]) -> list[Any]:
    return ((obj.get("status") or {}).get("loadBalancer") or {}).get("ingress") or []


class ServiceReadiness(Readiness):
    """Its endpoints settled, none of them pending, and an address where it is a load balancer."""

    def __init__(self, wait: Wait) -> None:
        super().__init__(wait)
        self._events: list[float] = []
        self._seen = ""
        self._settled = False
        self._has_endpoints = self._pending = False

    def settle_at_once(self) -> None:
        """Takes the endpoints as they are, for a look without a wait."""
        self._settled = True

    def look(self) -> bool:
        self.live = self.wait.read_live() or self.live
        if not self._needs_pods():
            return self._has_address()
        self._look_at_endpoints()
        return self._has_address() and self._is_settled() and not self._pending

    def _look_at_endpoints(self) -> None:
        endpoints = self.wait.read("v1", "Endpoints", name_of(self.live))
        if endpoints is None:
            return
        if endpoints["metadata"]["resourceVersion"] != self._seen:
            self._seen = endpoints["metadata"]["resourceVersion"]
            self._events.append(time.monotonic())
        subsets = endpoints.get("subsets") or []
        self._has_endpoints = any(subset.get("addresses") for subset in subsets)
        self._pending = any(subset.get("notReadyAddresses") for subset in subsets)

    def _is_settled(self) -> bool:
        # Each change starts a clock of its own, and the first to run out after the last change settles it.
        now = time.monotonic()
        return self._settled or any(self._events[-1] <= event + SETTLE_SECONDS <= now for event in self._events)

    def _has_address(self) -> bool:
        return self.live["spec"].get("type") != "LoadBalancer" or bool(_ingress_of(self.live))

    def _needs_pods(self) -> bool:
        spec = self.live["spec"]
        return spec.get("type") != "ExternalName" and spec.get("clusterIP") != "None" and bool(spec.get("selector"))

    def at_the_end(self) -> bool:
        return self._has_address() and not self._pending

    def reasons(self) -> list[str]:
        spec = self.live["spec"]
        if spec.get("type") == "ExternalName" or spec.get("clusterIP") == "None":
            return []
        messages = []
        if not self._has_endpoints:
            messages.append(
                "Service does not target any Pods. Selected Pods may not be ready, or "
                "field '.spec.selector' may not match labels on any Pods"
            )
        if not self._has_address():
            messages.append("Service was not allocated an IP address; does your cloud provider support this?")
        return messages


class IngressReadiness(Readiness):
    """An address, and endpoints behind each of its backends."""

    def __init__(self, wait: Wait) -> None:
        super().__init__(wait)
        self._without_endpoints: list[str] = []

    def look(self) -> bool:
        self.live = self.wait.read_live() or self.live
        self._without_endpoints = [name for name in self._backends() if not self._leads_somewhere(name)]
        return bool(_ingress_of(self.live)) and not self._without_endpoints

    def _backends(self) -> list[str]:
        rules = self.live["spec"].get("rules") or []
        paths = [path for rule in rules for path in (rule.get("http") or {}).get("paths") or []]
        names = [((path.get("backend") or {}).get("service") or {}).get("name") for path in paths]
        return sorted({name for name in names if name})

    def _leads_somewhere(self, name: str) -> bool:
        if self.wait.read("v1", "Endpoints", name) is not None:
            return True
        service = self.wait.read("v1", "Service", name)
        return service is not None and service["spec"].get("type") == "ExternalName"

    def reasons(self) -> list[str]:
        messages = [f'No matching service found for ingress rule: "{name}"' for name in self._without_endpoints]
        if not _ingress_of(self.live):
            messages.append(
                "Ingress .status.loadBalancer field was not updated with a hostname/IP address. \n"
                "    for more information about this error, see https://pulumi.io/xdv72s"
            )
        return messages

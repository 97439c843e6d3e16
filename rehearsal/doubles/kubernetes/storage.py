"""Readiness of volumes and their claims, of quotas, and of tokens."""

from abc import abstractmethod
from typing import Any

from rehearsal.doubles.kubernetes.awaiting import Readiness, Wait


class _Field(Readiness):
    """Readiness that the object's own fields tell."""

    default_seconds = 300.0
    overdue = "Timeout occurred polling for '{}'"
    cancelled = "Resource operation was cancelled for '{}'"

    def look(self) -> bool:
        self.live = self.wait.read_live() or self.live
        return self.holds()

    @abstractmethod
    def holds(self) -> bool:
        """Whether they do."""

    def phase(self) -> str:
        return (self.live.get("status") or {}).get("phase", "")


class VolumeReadiness(_Field):
    """Available or bound."""

    def holds(self) -> bool:
        return self.phase() in ("Available", "Bound")


class ClaimReadiness(_Field):
    """Bound; or pending, where its class binds with the first pod."""

    def __init__(self, wait: Wait) -> None:
        super().__init__(wait)
        self._binding = ""

    def holds(self) -> bool:
        if self.phase() == "Bound":
            return self.wait.previous is not None or self._binding_mode() != "WaitForFirstConsumer"
        return self.phase() == "Pending" and self._binding_mode() == "WaitForFirstConsumer"

    def _binding_mode(self) -> str:
        name = self.live["spec"].get("storageClassName")
        if not self._binding and name:
            found: dict[str, Any] = self.wait.read("storage.k8s.io/v1", "StorageClass", name) or {}
            self._binding = found.get("volumeBindingMode", "")
        return self._binding


class QuotaReadiness(_Field):
    """Its hard limits taken over by the controller."""

    default_seconds = 60.0

    def holds(self) -> bool:
        hard = (self.live.get("spec") or {}).get("hard")
        return hard is not None and hard == (self.live.get("status") or {}).get("hard")


class TokenReadiness(_Field):
    """A service account's token, once the controller has filled it in."""

    default_seconds = 5.0

    def holds(self) -> bool:
        return bool(self.live.get("data"))

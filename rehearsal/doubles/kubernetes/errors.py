"""Errors of the kubernetes double, by what the engine gets to see of them."""

from typing import Any


class Refusal(Exception):
    """A call fails; the message goes to the user as it is. `deadline` and `cancelled` choose the gRPC code."""

    def __init__(self, message: str, *, deadline: bool = False, cancelled: bool = False) -> None:
        super().__init__(message)
        self.deadline = deadline
        self.cancelled = cancelled


class InitializationFailed(Exception):
    """The object exists, but is not what was asked for: the engine keeps `properties` in its state, with the reasons."""

    def __init__(
        self,
        message: str,
        identifier: str,
        properties: dict[str, Any],
        reasons: list[str] | None = None,
        inputs: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.identifier = identifier
        self.properties = properties
        self.reasons = [message, *(reasons or [])]
        self.inputs = inputs


class CheckFailed(Exception):
    """An input is not acceptable: the engine names the property and the reason."""

    def __init__(self, property_name: str, reason: str, inputs: dict[str, Any]) -> None:
        super().__init__(reason)
        self.property_name = property_name
        self.inputs = inputs


class ApiError(Exception):
    """The API server refused a request; the message is its own."""

    def __init__(self, status: int, message: str, reason: str = "", about: str = "", causes: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason
        self.about = about
        self.causes = causes


class NoMatch(Exception):
    """The API server knows no such kind, as its CRD is not there (yet)."""

    def __init__(self, api_version: str, kind: str) -> None:
        super().__init__(f'no matches for kind "{kind}" in version "{api_version}"')


class Unreachable(Exception):
    """The API server does not answer."""


class NotReady(Exception):
    """An await ended without success; `live` is the object as last seen, the reasons say what was missing."""

    def __init__(self, message: str, live: dict[str, Any], reasons: list[str] | None = None) -> None:
        super().__init__(message)
        self.live = live
        self.reasons = reasons or []

"""Errors of the azure-native double: what Azure Resource Manager refuses, worded as the real plugin passes it on."""

from rehearsal.doubles.kubernetes.errors import Refusal


class ArmError(Refusal):
    """Azure Resource Manager refuses a request: HTTP status, its code, its message."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(f'Status={status} Code="{code}" Message="{message}"')
        self.status = status
        self.code = code


def group_not_found(name: str) -> ArmError:
    """A request names a resource group that does not exist."""
    return ArmError(404, "ResourceGroupNotFound", f"Resource group '{name}' could not be found.")


def not_found(resource_type: str, name: str, group: str) -> ArmError:
    """A request names a resource that does not exist; `name` holds its parents' names before it, with slashes."""
    return ArmError(
        404,
        "ResourceNotFound",
        f"The Resource '{resource_type}/{name}' under resource group '{group}' was not found. "
        "For more details please go to https://aka.ms/ARMResourceNotFoundFix",
    )


def parent_not_found(resource_type: str, parent: str) -> ArmError:
    """A nested resource is to be made in something that does not exist."""
    nested = resource_type.partition("/")[2]
    return ArmError(
        404,
        "ParentResourceNotFound",
        f"Failed to perform 'write' on resource(s) of type '{nested}', because the parent resource '{parent}' could not be found.",
    )


def wrong_location(location: str, resource_type: str, known: str) -> ArmError:
    """A resource cannot be where it is wanted."""
    return ArmError(
        400,
        "LocationNotAvailableForResourceType",
        f"The provided location '{location}' is not available for resource type '{resource_type}'. "
        f"List of available regions for the resource type is '{known}'.",
    )


def missing_reference(referenced: str, referring: str) -> ArmError:
    """A network resource refers to something that does not exist."""
    return ArmError(
        400,
        "InvalidResourceReference",
        f"Resource {referenced} referenced by resource {referring} was not found. "
        "Please make sure that the referenced resource exists, and that both resources are in the same region.",
    )


def linked_id_invalid(value: str, path: str) -> ArmError:
    """Something that has to be the id of a resource is none."""
    return ArmError(
        400,
        "LinkedInvalidPropertyId",
        f"Property id '{value}' at path '{path}' is invalid. Expect fully qualified resource Id that start with "
        "'/subscriptions/{subscriptionId}' or '/providers/{resourceProviderNamespace}/'.",
    )

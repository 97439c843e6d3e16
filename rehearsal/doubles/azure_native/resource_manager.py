"""Azure Resource Manager: what every request meets before the resource provider that it is for, and what is kept after."""

import re
from collections.abc import Callable, Mapping
from typing import Any

from rehearsal.doubles.azure_native import access, catalogue, identity, ids, locations, network, storage, storage_parts, values
from rehearsal.doubles.azure_native.blobs import Blobs
from rehearsal.doubles.azure_native.catalogue import Kind
from rehearsal.doubles.azure_native.errors import ArmError, group_not_found, not_found, parent_not_found, wrong_location
from rehearsal.doubles.azure_native.request import Request
from rehearsal.doubles.azure_native.settings import Settings
from rehearsal.doubles.azure_native.store import Record, Records, Store
from rehearsal.doubles.kubernetes.errors import Refusal

_Put = Callable[[Request], tuple[dict[str, Any], dict[str, Any]]]
_GROUP_NAME = re.compile(r"[-\w._()]{0,89}[-\w_()]")
_GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_MOST_TAGS = 50
# What names each of ARM's own answers beside a resource's properties.
_UNSAID = ("azureApiVersion", "__createBeforeDelete")


def _put_group(request: Request) -> tuple[dict[str, Any], dict[str, Any]]:
    if not _GROUP_NAME.fullmatch(request.name):
        wrong = re.sub(r"[-\w._()]", "", request.name) or request.name[-1:]
        raise ArmError(
            400,
            "InvalidResourceGroup",
            f"The provided resource group name '{request.name}' has these invalid characters: '{wrong}'. "
            "The name can only be a letter, digit, '-', '.', '(', ')' or '_'.",
        )
    return request.outputs(properties={"provisioningState": "Succeeded"}), {}


_PUTS: Mapping[str, _Put] = {
    catalogue.GROUP.token: _put_group,
    catalogue.ACCOUNT.token: storage.put_account,
    catalogue.CONTAINER.token: storage_parts.put_container,
    catalogue.BLOB_SERVICE.token: storage_parts.put_blob_service,
    catalogue.POLICY.token: storage_parts.put_policy,
    catalogue.IDENTITY.token: identity.put_identity,
    catalogue.CREDENTIAL.token: identity.put_credential,
    catalogue.ASSIGNMENT.token: access.put_assignment,
    catalogue.ENDPOINT.token: network.put_endpoint,
    catalogue.ZONE_GROUP.token: network.put_zone_group,
    catalogue.ZONE.token: network.put_zone,
    catalogue.LINK.token: network.put_link,
}


class ResourceManager:
    """The subscription."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.store = Store(settings.state, settings.existing)
        self.blobs = Blobs(settings.azurite)

    def identifier(self, kind: Kind, inputs: Mapping[str, Any]) -> str:
        """The id of the resource that the inputs describe."""
        return ids.fill(kind.path, {"subscriptionId": self.settings.subscription, **{name: inputs[name] for name in kind.parameters}})

    def group_location(self, name: str) -> str | None:
        """Where a resource group is; None where there is none."""
        with self.store.opened() as records:
            record = records.get(f"/subscriptions/{self.settings.subscription}/resourceGroups/{name}")
            return record.outputs.get("location") if record else None

    def create(self, kind: Kind, inputs: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
        """Makes what the inputs describe: its id and outputs. Refuses what exists already."""
        identifier = self.identifier(kind, inputs)
        with self.store.opened() as records:
            before = records.get(identifier)
            if before is not None and not kind.is_singleton:
                raise Refusal(f"cannot create already existing resource '{identifier}'")
            record = self._put(kind, identifier, inputs, before, records)
            return record.id, self._seen(record, records)

    def update(self, kind: Kind, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """Makes a resource what the inputs describe, there or not, as a PUT does: its outputs."""
        identifier = self.identifier(kind, inputs)
        with self.store.opened() as records:
            return self._seen(self._put(kind, identifier, inputs, records.get(identifier), records), records)

    def read(self, kind: Kind, identifier: str) -> tuple[str, dict[str, Any]] | None:
        """Id and outputs of a resource as it is; None where there is none."""
        with self.store.opened() as records:
            record = records.get(identifier)
            if kind.token == catalogue.BLOB_SERVICE.token and record is None:
                record = self._untouched_blob_service(identifier, records)
            if record is None or (kind.token == catalogue.CONTAINER.token and not self._is_in_azurite(record)):
                return None
            return record.id, self._seen(record, records)

    def delete(self, kind: Kind, identifier: str) -> None:
        """Deletes a resource and all in it; nothing where there is none. What comes with its parent gets its defaults instead."""
        with self.store.opened() as records:
            record = records.get(identifier)
            if kind.is_singleton:
                if records.get(ids.ancestors(identifier)[1]) is None:
                    raise not_found(*_parent(identifier), ids.group_name(identifier))
                records.remove(identifier)
                return
            if record is None:
                return
            if kind.token == catalogue.ZONE.token:
                network.check_zone_is_empty(record, records)
            # What Azurite holds goes first: should it not answer, nothing is forgotten.
            for part in [record, *records.within(record.id)]:
                self._empty(part)
            for part in records.within(record.id):
                records.remove(part.id)
            records.remove(record.id)

    def _put(self, kind: Kind, identifier: str, inputs: Mapping[str, Any], before: Record | None, records: Records) -> Record:
        self._check_place(kind, identifier, records)
        body = {key: value for key, value in inputs.items() if key not in kind.parameters and key not in _UNSAID}
        self._check_location(kind, identifier, body, before)
        self._check_tags(body)
        wrong = values.outside_enumerations(body, kind.body)
        if wrong:
            raise storage.invalid_values(wrong) if ".Storage/" in kind.arm_type else _invalid_content(wrong)
        names = {name: str(inputs[name]) for name in kind.parameters}
        request = Request(kind, identifier, names, body, before, records, self.settings, self.blobs)
        outputs, hidden = _PUTS[kind.token](request)
        spelled = identity.arm_spelling(identifier) if kind.arm_type.startswith(catalogue.IDENTITY.arm_type) else identifier
        record = Record(spelled, kind.token, outputs, hidden)
        records.put(record)
        return record

    def _check_place(self, kind: Kind, identifier: str, records: Records) -> None:
        """The subscription, the group and the parent that a resource is to be in."""
        subscription = identifier.split("/")[2] if identifier.startswith("/subscriptions/") else ""
        if kind.token != catalogue.ASSIGNMENT.token and not _GUID.fullmatch(subscription):
            raise ArmError(400, "InvalidSubscriptionId", f"The provided subscription identifier '{subscription}' is malformed or invalid.")
        if "resourceGroupName" not in kind.parameters:
            return
        outer = ids.ancestors(identifier)
        if outer and records.get(outer[0]) is None:
            raise group_not_found(ids.group_name(identifier))
        # The blob service is there with its account, named or not.
        parents = [part for part in outer[1:] if ids.type_and_name(part)[0] != catalogue.BLOB_SERVICE.arm_type]
        for parent in parents:
            if records.get(parent) is None:
                raise parent_not_found(kind.arm_type, parent)

    def _check_location(self, kind: Kind, identifier: str, body: dict[str, Any], before: Record | None) -> None:
        if not kind.location:
            return
        if not body.get("location"):
            raise ArmError(400, "LocationRequired", "The location property is required for this definition.")
        wanted = locations.normal(body["location"])
        regions = ("global",) if kind.location == "global" else locations.REGIONS[self.settings.cloud]
        if wanted not in regions:
            raise wrong_location(body["location"], kind.arm_type, ",".join(regions))
        body["location"] = wanted
        was = before.outputs.get("location") if before else None
        if was is not None and locations.normal(was) != wanted:
            if kind.token == catalogue.GROUP.token:
                raise ArmError(
                    409,
                    "InvalidResourceGroupLocation",
                    f"Invalid resource group location '{wanted}'. The Resource group already exists in location '{was}'.",
                )
            raise ArmError(
                409,
                "InvalidResourceLocation",
                f"The resource '{ids.name_of(identifier)}' already exists in location '{was}' in resource group "
                f"'{ids.group_name(identifier)}'. A resource with the same name cannot be created in location '{wanted}'. "
                "Please select a new resource name.",
            )

    def _check_tags(self, body: Mapping[str, Any]) -> None:
        tags = body.get("tags", {})
        if len(tags) > _MOST_TAGS or any(len(name) > 512 or re.search(r"[<>%&\\?/]", name) for name in tags):
            raise ArmError(
                400, "InvalidTagName", f"A resource has {_MOST_TAGS} tags at most, with names of up to 512 characters without <>%&\\?/."
            )
        if any(len(value) > 256 for value in tags.values()):
            raise ArmError(400, "InvalidTagValueLength", "Tag value too large. The value of a tag has 256 characters at most.")

    def _seen(self, record: Record, records: Records) -> dict[str, Any]:
        """The outputs of a resource as they are read."""
        if record.token == catalogue.ACCOUNT.token:
            return storage.see_account(record, network.connections_to(record.id, records))
        return dict(record.outputs)

    def _untouched_blob_service(self, identifier: str, records: Records) -> Record | None:
        account = records.get(ids.ancestors(identifier)[1])
        return Record(identifier, catalogue.BLOB_SERVICE.token, storage_parts.blob_service_defaults(account)) if account else None

    def _is_in_azurite(self, record: Record) -> bool:
        return self.blobs.exists(ids.name_of(ids.ancestors(record.id)[1]), ids.name_of(record.id))

    def _empty(self, record: Record) -> None:
        """Removes from Azurite what a resource stands for."""
        if record.token == catalogue.ACCOUNT.token and self.settings.azurite:
            self.blobs.delete_all(ids.name_of(record.id))
        elif record.token == catalogue.CONTAINER.token:
            self.blobs.delete(ids.name_of(ids.ancestors(record.id)[1]), ids.name_of(record.id))


def _parent(identifier: str) -> tuple[str, str]:
    return ids.type_and_name(ids.ancestors(identifier)[-1])


def _invalid_content(paths: list[str]) -> ArmError:
    return ArmError(
        400,
        "InvalidRequestContent",
        f"The request content was invalid and could not be deserialized: 'Requested values of {', '.join(paths)} were not found.'.",
    )

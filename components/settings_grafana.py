"""What a stack may choose about the place to look: its address, who signs in there, and dashboards of others."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from components.settings_azure import Guid
from components.settings_base import HostName, Model, Replicas, VolumeGi, matching

Groups = Annotated[tuple[Guid, ...], Field(strict=False)]
FolderTitle = Annotated[str, matching(r"\S(.{0,98}\S)?", "must be a folder's title: 1 to 100 characters, no blank at an end")]
InputName = Annotated[str, matching(r"[A-Za-z_][A-Za-z0-9_]*", "must be the name of a dashboard's input, such as DS_PROMETHEUS")]


class ExposureSettings(Model):
    """A public address, through the mesh gateway, with a certificate of the stack's issuer."""

    host: HostName
    """The name that people type; its DNS record points at the gateway. Other than https it only redirects there."""


class EntraGroups(Model):
    """Which groups of the tenant have which role, by their object ids."""

    admin: Groups = ()
    """Who may change everything in Grafana's organisation; nobody becomes an administrator of the server."""
    editor: Groups = ()
    """Who may make and change dashboards."""
    viewer: Groups = ()
    """Who may look."""

    def by_role(self) -> tuple[tuple[str, tuple[str, ...]], ...]:
        """Grafana's name of each role, with its groups."""
        return (("Admin", self.admin), ("Editor", self.editor), ("Viewer", self.viewer))


class EntraIdSettings(Model):
    """Single sign-on with Microsoft Entra ID, by an app registration that the tenant's administrators make (docs/grafana.md)."""

    client_id: Guid
    """Application (client) id of the registration."""
    tenant_id: Guid | None = None
    """Whose people may sign in. Default: azure.tenantId."""
    client_authentication: Literal["workloadIdentity", "clientSecret"] = "workloadIdentity"
    """How Grafana shows Entra ID who it is. `workloadIdentity`: by its ServiceAccount's token, which a federated credential of the
    registration trusts, so that no secret exists. `clientSecret`: by the secret `grafanaEntraClientSecret`."""
    groups: EntraGroups | None = None
    """Roles by group. Default: by the registration's app roles Admin, Editor and Viewer alone; whoever has neither is not let in."""

    @model_validator(mode="after")
    def _a_group_has_one_role(self) -> EntraIdSettings:
        if self.groups is None:
            return self
        seen: dict[str, str] = {}
        for role, groups in self.groups.by_role():
            for group in groups:
                if group in seen:
                    raise ValueError(f"grafana.entraId.groups.{role.lower()} is {group}: that group is {seen[group]} already; name it once")
                seen[group] = role.lower()
        if not seen:
            raise ValueError("grafana.entraId.groups names no group: list some for admin, editor or viewer, or remove the key")
        return self


class CommunityDashboard(Model):
    """A dashboard of grafana.com, which Grafana's pod downloads when it starts."""

    id: Annotated[int, Field(ge=1, le=10_000_000)]
    """The number in its address: grafana.com/grafana/dashboards/<id>."""
    revision: Annotated[int, Field(ge=1, le=100_000)]
    """Exactly this revision, so that nobody changes the dashboard but you."""
    folder: FolderTitle = "Community"
    """Title of the folder that it is shown in."""
    datasource: Literal["prometheus", "tempo", "loki"] = "prometheus"
    """Which datasource of the stack takes the place of the one that it asks for on import."""
    input: InputName | None = None
    """What the dashboard calls that one (`__inputs` in its JSON). Default: DS_PROMETHEUS, DS_TEMPO or DS_LOKI."""


class GrafanaSettings(Model):
    """The place to look."""

    admin_user: Annotated[str, Field(min_length=1, max_length=64)] = "admin"
    """Name of the administrator whose password is `grafanaAdminPassword`; that way in stays open beside Entra ID."""
    replicas: Replicas = 1
    """Only one is right: see the rule below."""
    volume_gi: VolumeGi | None = None
    """Volume for Grafana's own database. Default: none, as datasources and dashboards are code; dashboards made by hand need it."""
    exposure: ExposureSettings | None = None
    """Its public address. Default: none, and people reach it through kubectl (`make open`)."""
    entra_id: EntraIdSettings | None = None
    """Sign-in for people of a tenant. Default: none, and the administrator's password is the one way in."""
    community_dashboards: Annotated[tuple[CommunityDashboard, ...], Field(strict=False, max_length=20)] = ()
    """Dashboards of grafana.com beside ours. Grafana's pod needs the way out to grafana.com for them."""

    @model_validator(mode="after")
    def _no_database_means_one(self) -> GrafanaSettings:
        if self.replicas > 1:
            raise ValueError(
                f"grafana.replicas is {self.replicas}: each would keep users and dashboards in a database file of its own, and this stack "
                "brings no shared database; only 1 shows everyone the same"
            )
        return self

    @model_validator(mode="after")
    def _a_dashboard_once(self) -> GrafanaSettings:
        ids = [dashboard.id for dashboard in self.community_dashboards]
        for index, number in enumerate(ids):
            if number in ids[:index]:
                raise ValueError(
                    f"grafana.communityDashboards.{index}.id is {number}: grafana.communityDashboards.{ids.index(number)} is the same "
                    "dashboard; one revision of each"
                )
        return self

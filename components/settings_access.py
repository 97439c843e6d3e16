"""Who may reach what, as settings say it."""

from __future__ import annotations

from components.settings_base import Model


class ClusterNetworkSettings(Model):
    """Who may connect to the stack's own pods."""

    policies: bool = True
    """Whether each namespace of the stack is closed by NetworkPolicies to all but the connections that the signal graph has. They bind only
    where the cluster's network plugin enforces them (in AKS: Cilium, Calico or Azure's own, chosen when the cluster is made)."""

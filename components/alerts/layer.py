"""The watch: rules that Prometheus evaluates, as custom resources of its operator."""

from __future__ import annotations

from pulumi import ResourceOptions

from components.alerts import objectives
from components.alerts.rules import rule_spec
from components.layer import Layer, LayerArgs
from components.prometheus import MONITORING


class Alerts(Layer):
    """Objectives as recording rules and alerts."""

    token = "watch:Alerts"

    def __init__(self, name: str, args: LayerArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__(name, args, opts)
        settings, namespace = args.settings, args.topology.releases.prometheus.namespace
        if groups := objectives.groups(settings):
            self._custom(MONITORING, "PrometheusRule", "objectives", namespace, rule_spec(groups, settings.alerting), [])
        self.register_outputs({"objectives": len(settings.slos)})

"""The watch: rules that Prometheus evaluates, as custom resources of its operator."""

from __future__ import annotations

from pulumi import ResourceOptions

from components.alerts import health, objectives
from components.alerts.rules import rule_spec
from components.layer import Layer, LayerArgs
from components.prometheus import MONITORING


class Alerts(Layer):
    """The stack's own health, and the objectives of the services in its mesh."""

    token = "watch:Alerts"

    def __init__(self, name: str, args: LayerArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__(name, args, opts)
        settings, namespace = args.settings, args.topology.releases.prometheus.namespace
        for rule, groups in (("stack-health", health.groups(settings, args.topology)), ("objectives", objectives.groups(settings))):
            if groups:
                self._custom(MONITORING, "PrometheusRule", rule, namespace, rule_spec(groups, settings.alerting), [])
        self.register_outputs({"objectives": len(settings.slos)})

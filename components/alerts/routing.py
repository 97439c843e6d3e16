"""Who hears of an alert: Alertmanager's configuration from the receivers in settings.

Secrets stay where they are: Alertmanager's pod has them as files, and its configuration names the files.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from components.settings_alerting import AlertingSettings, ReceiverKind, ReceiverSettings

NOBODY = "null"
ALWAYS_ON = ("Watchdog", "InfoInhibitor")
"""kube-prometheus-stack's alerts that fire by design: one proves that alerting works, one holds back others. Nobody wants to read them."""
MOUNTED = "/etc/alertmanager/secrets"
"""Where the operator puts alertmanagerSpec.secrets, one folder each."""
TITLE = "{{ .Status | toUpper }} {{ .CommonLabels.severity }}: {{ .CommonLabels.alertname }}"
TEXT = (
    "{{ range .Alerts }}{{ .Annotations.summary }}\n{{ .Annotations.description }}\n"
    "{{ if .Annotations.runbook_url }}{{ .Annotations.runbook_url }}{{ else }}{{ .Annotations.runbook }}{{ end }}\n{{ end }}"
)


def _file(receiver: ReceiverSettings) -> str:
    secret = receiver.secret
    assert secret is not None, "settings_rules: this kind has a secret"
    return f"{MOUNTED}/{secret.name}/{secret.key}"


def _slack(receiver: ReceiverSettings) -> dict[str, Any]:
    return {"api_url_file": _file(receiver), "channel": receiver.channel, "title": TITLE, "text": TEXT}


def _teams(receiver: ReceiverSettings) -> dict[str, Any]:
    return {"webhook_url_file": _file(receiver), "title": TITLE, "text": TEXT}


def _email(receiver: ReceiverSettings) -> dict[str, Any]:
    config: dict[str, Any] = {"to": receiver.to, "from": receiver.sender, "smarthost": receiver.smarthost, "require_tls": True}
    if receiver.username is not None:
        config |= {"auth_username": receiver.username, "auth_password_file": _file(receiver)}
    return config


def _pager_duty(receiver: ReceiverSettings) -> dict[str, Any]:
    return {"routing_key_file": _file(receiver), "severity": "{{ .CommonLabels.severity }}", "description": TITLE}


def _webhook(receiver: ReceiverSettings) -> dict[str, Any]:
    return {"url_file": _file(receiver)}


KINDS: dict[ReceiverKind, tuple[str, Callable[[ReceiverSettings], dict[str, Any]]]] = {
    "slack": ("slack_configs", _slack),
    "teams": ("msteamsv2_configs", _teams),
    "email": ("email_configs", _email),
    "pagerDuty": ("pagerduty_configs", _pager_duty),
    "webhook": ("webhook_configs", _webhook),
}
"""Kind of a receiver to Alertmanager's section and what stands in it."""


def route(receiver: ReceiverSettings) -> dict[str, Any]:
    """Which alerts one receiver gets; the next one is asked as well."""
    return {"receiver": receiver.name, "matchers": [f'severity =~ "{"|".join(receiver.severities)}"'], "continue": True}


def configuration(alerting: AlertingSettings) -> dict[str, Any]:
    """What the chart's default `alertmanager.config` is to be overlaid with; its inhibitions and intervals stay."""
    receivers: list[dict[str, Any]] = [{"name": NOBODY}]
    for receiver in alerting.receivers:
        section, config = KINDS[receiver.kind]
        receivers.append({"name": receiver.name, section: [{"send_resolved": True, **config(receiver)}]})
    silent = {"receiver": NOBODY, "matchers": [f'alertname =~ "{"|".join(ALWAYS_ON)}"']}
    routes = [silent, *(route(receiver) for receiver in alerting.receivers)]
    return {"receivers": receivers, "route": {"receiver": NOBODY, "group_by": ["alertname", "namespace"], "routes": routes}}


def secrets(alerting: AlertingSettings) -> list[str]:
    """Names of the Secrets that Alertmanager's pod must have."""
    return sorted({receiver.secret.name for receiver in alerting.receivers if receiver.secret is not None})


def values(alerting: AlertingSettings) -> dict[str, Any]:
    """The chart's section `alertmanager`; nothing where nobody is to hear."""
    if not alerting.receivers:
        return {}
    mounted = secrets(alerting)
    return {"config": configuration(alerting), **({"alertmanagerSpec": {"secrets": mounted}} if mounted else {})}

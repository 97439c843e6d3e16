"""Who hears of an alert: Alertmanager's configuration as the chart writes it, asked by amtool, and every mistake's one line."""

from __future__ import annotations

import base64
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from components import prometheus
from components.alerts import routing
from components.alerts.health import groups
from components.alerts.rules import alerts
from components.config import parse
from components.errors import ConfigurationError
from components.settings import Settings
from components.topology import plan
from rehearsal import tools
from tests import reference
from tests.stacks import RECEIVERS, settings_of


def settings(*receivers: dict[str, Any], **config: Any) -> Settings:
    return parse({"grafanaAdminPassword": "x", "alerting": {"receivers": list(receivers)}, **config})


ALL = settings(*RECEIVERS)
SLACK = {"name": "team", "kind": "slack", "channel": "#a", "secret": {"name": "chat", "key": "slack"}}
MAIL = {"name": "post", "kind": "email", "to": "a@b.cd", "from": "c@d.ef", "smarthost": "mail.example.com:25"}


def written(chosen: Settings) -> dict[str, Any]:
    """What Helm makes of the chart's own configuration and ours."""
    return reference.over(reference.defaults("kube-prometheus-stack"), prometheus.values(chosen))["alertmanager"]


def amtool(folder: Path, chosen: Settings, *arguments: str) -> subprocess.CompletedProcess[str]:
    file = folder / "alertmanager.yaml"
    file.write_text(yaml.safe_dump(written(chosen)["config"]))
    (folder / "home").mkdir(exist_ok=True)
    command = [tools.ensure("amtool")["amtool"], *[a.replace("FILE", str(file)) for a in arguments]]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=60, check=False, env={"HOME": str(folder / "home"), "PATH": "/usr/bin:/bin"}
    )


def test_alertmanager_takes_the_configuration(tmp_path: Path) -> None:
    answer = amtool(tmp_path, ALL, "check-config", "FILE")
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert "6 receivers" in answer.stdout


def test_amtool_refuses_a_configuration_that_is_none(tmp_path: Path) -> None:
    """The proofs here are worth nothing if amtool agreed to everything."""
    broken = ALL.model_copy(deep=True)
    file = tmp_path / "broken.yaml"
    config = json.loads(json.dumps(written(broken)["config"]).replace("routing_key_file", "routing_kye_file"))
    file.write_text(yaml.safe_dump(config))
    answer = subprocess.run(
        [tools.ensure("amtool")["amtool"], "check-config", file], capture_output=True, text=True, timeout=60, check=False
    )
    assert answer.returncode != 0
    assert "routing_kye_file" in answer.stdout + answer.stderr


@pytest.mark.parametrize(
    ("labels", "receivers"),
    [
        ("severity=critical", "on-call,team,archive"),
        ("severity=warning", "team,office,archive"),
        ("severity=info", "archive,automation"),
        ("severity=none", "null"),
        ("severity=none alertname=Watchdog", "null"),
        ("severity=critical alertname=Watchdog", "null"),
        ("severity=none alertname=InfoInhibitor", "null"),
    ],
)
def test_an_alert_goes_to_those_who_asked_for_its_severity(labels: str, receivers: str, tmp_path: Path) -> None:
    answer = amtool(tmp_path, ALL, "config", "routes", "test", "--config.file=FILE", f"--verify.receivers={receivers}", *labels.split())
    assert answer.returncode == 0, answer.stdout + answer.stderr


@pytest.mark.parametrize("alert", alerts(groups(ALL, plan(ALL))), ids=lambda a: f"{a.name} {a.labels.get('signal', '')}".strip())
def test_every_alert_of_ours_reaches_somebody(alert: Any, tmp_path: Path) -> None:
    labels = [f"{key}={value}" for key, value in alert.rule(ALL.alerting)["labels"].items()]
    only = settings(RECEIVERS[0], SLACK)
    expected = "on-call,team" if alert.severity == "critical" else "team"
    answer = amtool(tmp_path, only, "config", "routes", "test", "--config.file=FILE", f"--verify.receivers={expected}", *labels)
    assert answer.returncode == 0, answer.stdout + answer.stderr


def test_no_secret_stands_in_the_configuration_only_the_file_that_holds_it() -> None:
    files = [
        value
        for receiver in written(ALL)["config"]["receivers"]
        for section in receiver.values()
        if isinstance(section, list)
        for key, value in section[0].items()
        if key.endswith("_file")
    ]
    assert files == [f"/etc/alertmanager/secrets/{r['secret']['name']}/{r['secret']['key']}" for r in RECEIVERS]
    assert written(ALL)["alertmanagerSpec"]["secrets"] == ["automation", "chat", "mail", "pagerduty"]


def test_mail_without_a_password_names_none() -> None:
    config = written(settings(MAIL))
    (mail,) = config["config"]["receivers"][1]["email_configs"]
    assert mail == {
        "to": "a@b.cd",
        "from": "c@d.ef",
        "smarthost": "mail.example.com:25",
        "require_tls": True,
        "send_resolved": True,
    }
    assert not config["alertmanagerSpec"].get("secrets")


def test_without_receivers_the_charts_own_configuration_stays() -> None:
    assert routing.values(settings().alerting) == {}
    assert written(settings())["config"] == reference.defaults("kube-prometheus-stack")["alertmanager"]["config"]


def test_the_charts_inhibitions_stay() -> None:
    theirs = reference.defaults("kube-prometheus-stack")["alertmanager"]["config"]
    assert written(ALL)["config"]["inhibit_rules"] == theirs["inhibit_rules"]
    assert theirs["inhibit_rules"]


def test_the_charts_secret_holds_what_amtool_saw(mirror: Path) -> None:
    chosen = settings_of("distributed")
    chart = next(mirror.glob("kube-prometheus-stack-*.tgz"))
    command = [
        tools.ensure("helm")["helm"],
        "template",
        "prom",
        chart,
        "--namespace",
        "prometheus",
        "--kube-version",
        "1.36.3",
        "--values",
        "-",
    ]
    answer = subprocess.run(command, input=json.dumps(prometheus.values(chosen)), capture_output=True, text=True, timeout=60, check=True)
    (secret,) = [o for o in yaml.safe_load_all(answer.stdout) if o and o["kind"] == "Secret"]
    assert yaml.safe_load(base64.b64decode(secret["data"]["alertmanager.yaml"])) == written(chosen)["config"]


MISTAKES: list[tuple[list[Any], str]] = [
    ([{**SLACK, "kind": "sms"}], "alerting.receivers.0.kind is 'sms': should be 'slack', 'teams', 'email', 'pagerDuty' or 'webhook'"),
    ([{**SLACK, "secrte": {}}], "alerting.receivers.0.secrte is not a configuration key; did you mean secret?"),
    (
        [{**SLACK, "secret": "https://hooks.example.com/T0/B0/x"}],
        "alerting.receivers.0.secret stands in clear: name the Secret that holds it as {name, key}",
    ),
    ([{**SLACK, "secret": {"name": "chat"}}], "alerting.receivers.0.secret.key is missing: it must be set"),
    (
        [{**SLACK, "secret": {"name": "Chat!", "key": "slack"}}],
        "alerting.receivers.0.secret.name is 'Chat!': must be the name of a Secret: lower-case letters, digits, hyphens, dots",
    ),
    (
        [{**SLACK, "secret": {"name": "chat", "key": "../slack"}}],
        "alerting.receivers.0.secret.key is '../slack': must be a key of a Secret: letters, digits, hyphens, dots, underscores",
    ),
    ([{k: v for k, v in SLACK.items() if k != "secret"}], "alerting.receivers.0.secret is missing: kind slack needs it"),
    ([{k: v for k, v in SLACK.items() if k != "channel"}], "alerting.receivers.0.channel is missing: kind slack needs it"),
    ([{**SLACK, "channel": "alerts"}], "alerting.receivers.0.channel is 'alerts': must be a channel such as #alerts, or @somebody"),
    ([{**SLACK, "to": "a@b.cd"}], "alerting.receivers.0.to is set: kind slack has no use for it; remove the key"),
    (
        [{**MAIL, "smarthost": "mail.example.com"}],
        "alerting.receivers.0.smarthost is 'mail.example.com': must be host:port, such as smtp.example.com:587",
    ),
    ([{k: v for k, v in MAIL.items() if k != "from"}], "alerting.receivers.0.from is missing: kind email needs it"),
    ([{**MAIL, "username": "u"}], "alerting.receivers.0.secret is missing: username is set, and a relay takes both or neither"),
    (
        [{**MAIL, "secret": {"name": "m", "key": "p"}}],
        "alerting.receivers.0.username is missing: secret is set, and a relay takes both or neither",
    ),
    ([SLACK, SLACK], "alerting.receivers.1.name is team: alerting.receivers.0 has it already"),
    ([{**SLACK, "name": "null"}], "alerting.receivers.0.name is null: that is the name of nobody; take another"),
    ([{**SLACK, "severities": ["warning"]}], "alerting.receivers get no critical alert: add critical to the severities of one"),
    ([{**SLACK, "severities": []}], "alerting.receivers.0.severities is []: name at least one, or remove the receiver"),
    ([{**SLACK, "severities": ["page"]}], "alerting.receivers.0.severities.0 is 'page': should be 'critical', 'warning' or 'info'"),
]


@pytest.mark.parametrize(("receivers", "line"), MISTAKES, ids=lambda p: p[:50] if isinstance(p, str) else "")
def test_a_mistake_gets_one_clear_line(receivers: list[Any], line: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        settings(*receivers)
    assert caught.value.lines == (line,)


def test_somebody_elses_alertmanager_is_left_alone() -> None:
    existing = {"source": "existing", "existing": {"namespace": "monitoring", "service": "prometheus"}}
    with pytest.raises(ConfigurationError) as caught:
        settings(SLACK, prometheus=existing)
    assert caught.value.lines == (
        "alerting.receivers is set while prometheus.source is existing: its Alertmanager has routes of its own; remove the key",
    )


def test_a_secret_written_in_clear_is_not_repeated_in_the_error() -> None:
    with pytest.raises(ConfigurationError) as caught:
        settings({**SLACK, "secret": "https://hooks.example.com/token"})
    assert "token" not in str(caught.value)

"""From the Prometheus custom resource to flags and configuration, as the operator writes them; without scrapes, as there is no cluster.

Source: prometheus-operator 0.93 pkg/prometheus/promcfg.go (BuildCommonPrometheusArgs, appendStorageSettingsConfig, appendOTLPConfig).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

OTLP = {
    "promoteResourceAttributes": "promote_resource_attributes",
    "translationStrategy": "translation_strategy",
    "keepIdentifyingResourceAttributes": "keep_identifying_resource_attributes",
    "convertHistogramsToNHCB": "convert_histograms_to_nhcb",
    "promoteAllResourceAttributes": "promote_all_resource_attributes",
    "ignoreResourceAttributes": "ignore_resource_attributes",
    "promoteScopeMetadata": "promote_scope_metadata",
}
"""Fields of `spec.otlp` and what Prometheus calls them."""


def configuration(spec: Mapping[str, Any]) -> dict[str, Any]:
    """prometheus.yaml of a Prometheus (monitoring.coreos.com/v1), without what it scrapes and alerts on."""
    tsdb: dict[str, Any] = {}
    window = spec.get("tsdb", {}).get("outOfOrderTimeWindow")
    if window is not None:
        tsdb["out_of_order_time_window"] = window
    retention = {"time": spec.get("retention"), "size": spec.get("retentionSize")}
    tsdb["retention"] = {key: value for key, value in retention.items() if value}
    storage: dict[str, Any] = {"tsdb": tsdb}
    exemplars = spec.get("exemplars", {}).get("maxSize")
    if exemplars is not None:
        storage["exemplars"] = {"max_exemplars": exemplars}
    interval = spec.get("scrapeInterval", "30s")
    config: dict[str, Any] = {"global": {"scrape_interval": interval, "evaluation_interval": interval}, "storage": storage}
    otlp = {theirs: spec["otlp"][ours] for ours, theirs in OTLP.items() if ours in spec.get("otlp", {})}
    return {**config, "otlp": otlp} if otlp else config


def flags(spec: Mapping[str, Any], config_file: Path, data: Path, port: int) -> list[str]:
    """Command line of that Prometheus, on a loopback port."""
    arguments = [f"--config.file={config_file}", f"--storage.tsdb.path={data}", f"--web.listen-address=127.0.0.1:{port}"]
    if spec.get("enableRemoteWriteReceiver"):
        arguments.append("--web.enable-remote-write-receiver")
    if spec.get("enableOTLPReceiver", "otlp" in spec):
        arguments.append("--web.enable-otlp-receiver")
    if spec.get("enableFeatures"):
        arguments.append(f"--enable-feature={','.join(spec['enableFeatures'])}")
    return [*arguments, "--web.route-prefix=/"]

"""Whose record it is: what a proxy says of itself in an access log, and how the collector makes a resource of it.

Istio's access logs come with an empty resource (it sets `disable_builtin_labels`), so all of them would be `unknown_service`. The collector
looks up the pod by the connection's address first; what the proxy says of itself fills what that left open.
"""

from __future__ import annotations

from typing import Any

from components.settings_telemetry import AccessLogFields

PREFIX = "mesh."
POD, NAMESPACE, WORKLOAD, RESOURCE = f"{PREFIX}pod", f"{PREFIX}namespace", f"{PREFIX}workload", f"{PREFIX}resource"
LOG_LABELS = {
    POD: "%ENVIRONMENT(POD_NAME)%",
    NAMESPACE: "%ENVIRONMENT(POD_NAMESPACE)%",
    WORKLOAD: "%ENVIRONMENT(ISTIO_META_WORKLOAD_NAME)%",
    # service.namespace, service.version and service.instance.id as the injector has worked them out for the proxy's spans
    RESOURCE: "%ENVIRONMENT(OTEL_RESOURCE_ATTRIBUTES)%",
}
"""Labels of the mesh's log format: attribute of the record to what Envoy writes there; `-` where its environment lacks the variable.
Source: Istio's injection templates, which set all of these (the gateway's all but the last)."""

_REQUEST = {
    "http.request.method": "%REQ(:METHOD)%",
    "url.path": "%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)%",
    "http.response.status_code": "%RESPONSE_CODE%",
    "server.address": "%REQ(:AUTHORITY)%",
    "envoy.response_flags": "%RESPONSE_FLAGS%",
    "envoy.duration_ms": "%DURATION%",
}
_FULL = {
    **_REQUEST,
    "network.protocol.name": "%PROTOCOL%",
    "http.request.body.size": "%BYTES_RECEIVED%",
    "http.response.body.size": "%BYTES_SENT%",
    "user_agent.original": "%REQ(USER-AGENT)%",
    "http.request.header.x-request-id": "%REQ(X-REQUEST-ID)%",
    "http.request.header.x-forwarded-for": "%REQ(X-FORWARDED-FOR)%",
    "client.address": "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%",
    "network.peer.address": "%UPSTREAM_HOST%",
    "envoy.upstream.cluster": "%UPSTREAM_CLUSTER_RAW%",
    "envoy.upstream.service_time_ms": "%RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)%",
    "envoy.upstream.failure_reason": "%UPSTREAM_TRANSPORT_FAILURE_REASON%",
    "envoy.response_code_details": "%RESPONSE_CODE_DETAILS%",
    "envoy.route": "%ROUTE_NAME%",
    "tls.client.server_name": "%REQUESTED_SERVER_NAME%",
}
FIELDS: dict[AccessLogFields, dict[str, str]] = {"lean": {}, "request": _REQUEST, "full": _FULL}
"""What an access log has beside whose it is, by choice; OpenTelemetry's names where it has one. Loki keeps each as structured metadata,
dots as underscores: `| http_response_status_code >= 500` without parsing a line. All of it stands in the line of text, too."""


def log_labels(fields: AccessLogFields) -> dict[str, str]:
    """Labels of the mesh's log format. Whose a record is, is always among them."""
    return {**LOG_LABELS, **FIELDS[fields]}


FROM_LABELS = {
    "k8s.pod.name": POD,
    "k8s.namespace.name": NAMESPACE,
    "service.namespace": NAMESPACE,
    # what every rule for service.name ends in, where neither annotation nor labels of the pod say it
    "service.name": WORKLOAD,
}
"""Attribute of the resource to the label that says it."""

POD_LOOKUP = "k8s_attributes"
"""Called k8sattributes until collector 0.157, and still by its documentation."""
LABELS_LOOKUP = "transform/mesh"
PROCESSORS = (POD_LOOKUP, LABELS_LOOKUP)
"""In this order, and before any batch: a batch has no connection any more."""

NODE = "k8s.node.name"
"""What SDKs say, too, and no proxy says of itself: an access log that has it was known by the address of its connection."""
POD_METADATA = ("k8s.namespace.name", "k8s.pod.name", "service.namespace", "service.name", "service.version", NODE)


def pod_lookup() -> dict[str, Any]:
    """Which pod a record is from, by the address of its connection. What a resource says already stays.

    service.name follows the rule that the operator applies to SDKs (`useLabelsForResourceAttributes`) and Istio to spans
    (`OTEL_SEMANTIC_CONVENTIONS`): annotation resource.opentelemetry.io/service.name, label app.kubernetes.io/instance, then
    app.kubernetes.io/name, then the owner's name.
    """
    return {
        "auth_type": "serviceAccount",
        "extract": {"metadata": list(POD_METADATA), "otel_annotations": True},
        "pod_association": [{"sources": [{"from": "connection"}]}],
        # a collector that knows no pods yet would pass records on without a name
        "wait_for_metadata": True,
        "wait_for_metadata_timeout": "30s",
    }


def pod_lookup_rules() -> list[Any]:
    """Rules of the ClusterRole that the lookup needs: pods, and the namespaces they are in. Owners' names come from the pods themselves."""
    return [{"apiGroups": [""], "resources": ["pods", "namespaces"], "verbs": ["get", "list", "watch"]}]


def labels_lookup() -> dict[str, Any]:
    """Fills what the lookup left open from the labels, and takes these from the record, so that nothing is stored twice."""

    def said(label: str) -> str:
        return f'log.attributes["{label}"] != nil and log.attributes["{label}"] != "-"'

    known = f'merge_maps(resource.attributes, ParseKeyValue(log.attributes["{RESOURCE}"], "=", ","), "insert") where {said(RESOURCE)}'
    moved = (
        f'set(resource.attributes["{attribute}"], log.attributes["{label}"])'
        f' where resource.attributes["{attribute}"] == nil and {said(label)}'
        for attribute, label in FROM_LABELS.items()
    )
    forget = f'delete_matching_keys(log.attributes, "^{PREFIX.replace(".", "[.]")}")'
    return {"error_mode": "ignore", "log_statements": [known, *moved, forget]}

"""Tiny charts with the names, versions and objects of the two that the tapes install, as the originals are no part of this repository."""

import tarfile
from io import BytesIO
from pathlib import Path

_ISTIO = {
    "extensions": ("trafficextensions", "wasmplugins"),
    "networking": (
        "destinationrules", "envoyfilters", "gateways", "proxyconfigs", "serviceentries", "sidecars", "virtualservices",
        "workloadentries", "workloadgroups",
    ),
    "security": ("authorizationpolicies", "peerauthentications", "requestauthentications"),
    "telemetry": ("telemetries",),
}  # fmt: skip
_DEFINITION = """
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {{name: {plural}.{group}}}
spec:
  group: {group}
  names: {{kind: {kind}, plural: {plural}, singular: {singular}}}
  scope: Namespaced
  versions:
  - name: v1
    served: true
    storage: true
    schema:
      openAPIV3Schema:
        type: object
        properties:
          spec:
            type: object
            x-kubernetes-preserve-unknown-fields: true
            properties:
              tracing:
                type: array
                items:
                  type: object
                  x-kubernetes-preserve-unknown-fields: true
                  properties: {{randomSamplingPercentage: {{type: number}}}}
"""
_BASE = """
apiVersion: v1
kind: ServiceAccount
metadata: {name: istio-reader-service-account, namespace: "{{ .Release.Namespace }}"}
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingWebhookConfiguration
metadata: {name: istiod-default-validator}
webhooks:
- name: validation.istio.io
  admissionReviewVersions: [v1]
  clientConfig: {service: {name: istiod, namespace: "{{ .Release.Namespace }}", path: /validate}}
  failurePolicy: "{{ .Values.base.validationFailurePolicy }}"
  sideEffects: None
  rules:
  - {apiGroups: [security.istio.io], apiVersions: ["*"], operations: [CREATE], resources: ["*"]}
"""
_ALLOY = """
{{- $common := dict "name" .Release.Name "namespace" .Release.Namespace }}
apiVersion: v1
kind: ServiceAccount
metadata: {{ toJson $common }}
---
apiVersion: v1
kind: ConfigMap
metadata: {{ toJson $common }}
data: {config.alloy: {{ .Values.alloy.configMap.content | quote }}}
---
apiVersion: v1
kind: Service
metadata: {{ toJson $common }}
spec:
  selector: {app: "{{ .Release.Name }}"}
  ports: [{name: http-metrics, port: 12345}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: "{{ .Release.Name }}"}
rules: [{apiGroups: [""], resources: [pods], verbs: [get]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: "{{ .Release.Name }}"}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: "{{ .Release.Name }}"}
subjects: [{kind: ServiceAccount, name: "{{ .Release.Name }}", namespace: "{{ .Release.Namespace }}"}]
{{- if eq .Values.controller.type "deployment" }}
---
apiVersion: apps/v1
kind: Deployment
metadata: {{ toJson $common }}
spec:
  replicas: {{ .Values.controller.replicas }}
  selector: {matchLabels: {app: "{{ .Release.Name }}"}}
  template:
    metadata: {labels: {app: "{{ .Release.Name }}"}}
    spec:
      nodeSelector: {{ toJson .Values.controller.nodeSelector }}
      containers: [{name: alloy, image: "alloy:1"}]
{{- end }}
"""
_ALLOY_VALUES = """
alloy: {configMap: {content: ""}}
controller: {replicas: 1, type: daemonset, nodeSelector: {}}
"""


def write(folder: Path) -> None:
    """Writes charts/base-1.30.3.tgz and charts/alloy-1.11.1.tgz into the folder."""
    definitions = "---".join(
        _DEFINITION.format(plural=plural, group=f"{group}.istio.io", kind=_singular(plural).capitalize(), singular=_singular(plural))
        for group, plurals in _ISTIO.items()
        for plural in plurals
    )
    pack(folder / "charts", "base", "1.30.3", {"values.yaml": "base: {validationFailurePolicy: Ignore}", "templates/all.yaml": _BASE,
                                               "templates/definitions.yaml": definitions})  # fmt: skip
    pack(folder / "charts", "alloy", "1.11.1", {"values.yaml": _ALLOY_VALUES, "templates/all.yaml": _ALLOY}, app_version="v1.18.1")


def _singular(plural: str) -> str:
    return plural.removesuffix("ies") + "y" if plural.endswith("ies") else plural.removesuffix("s")


def pack(folder: Path, name: str, version: str, files: dict[str, str], *, app_version: str | None = None, more: str = "") -> Path:
    """A chart's archive, of files by their path in the chart; `more` is what else its Chart.yaml says."""
    folder.mkdir(parents=True, exist_ok=True)
    archive = folder / f"{name}-{version}.tgz"
    chart = f"apiVersion: v2\nname: {name}\nversion: {version}\nappVersion: {app_version or version}\n{more}"
    with tarfile.open(archive, "w:gz") as packed:
        for path, text in {"Chart.yaml": chart, **files}.items():
            entry = tarfile.TarInfo(f"{name}/{path}")
            entry.size = len(text.encode())
            packed.addfile(entry, BytesIO(text.encode()))
    return archive

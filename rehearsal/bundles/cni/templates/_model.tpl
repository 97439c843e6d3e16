{{- define "model" -}}
{{- $ambient := eq .Values.profile "ambient" }}
{{- include "lib.refuse" (list (not (has .Values.profile (list "" "ambient"))) (printf "profile %s" .Values.profile)) }}
accounts: {istio-cni: {}}
configs:
  istio-cni-config: {data: {CURRENT_AGENT_VERSION: {{ .Chart.AppVersion }}, AMBIENT_ENABLED: {{ quote $ambient }}}}
workloads:
  istio-cni-node:
    kind: DaemonSet
    selector: {k8s-app: istio-cni-node}
    podLabels: {sidecar.istio.io/inject: "false", istio.io/dataplane-mode: none}
    podAnnotations: {{ toJson .Values.podAnnotations }}
    account: istio-cni
    pod: {priorityClassName: system-node-critical}
    containers:
      install-cni:
        image: {{ .Values.global.hub }}/install-cni:{{ .Chart.AppVersion }}{{ $ambient | ternary "-distroless" "" }}
        envFrom: [{configMapRef: {name: istio-cni-config}}]
        resources: {{ toJson .Values.resources }}
        ports: {metrics: 15014}
{{- end -}}

{{- define "model" -}}
{{- $v := .Values }}
{{- $name := .Release.Name }}
{{- $selector := dict "app" $name "istio" (trimPrefix "istio-" $name) }}
accounts: {{ dict $name dict | toJson }}
services:
  {{ $name }}:
    type: {{ $v.service.type }}
    annotations: {{ toJson $v.service.annotations }}
    selector: {{ toJson $selector }}
    ports: {status-port: 15021:15021, http2: 80:80, https: 443:443}
workloads:
  {{ $name }}:
    replicas: {{ $v.autoscaling.enabled | ternary nil $v.replicaCount | toJson }}
    selector: {{ toJson $selector }}
    podLabels: {sidecar.istio.io/inject: "true"{{ with $v.revision }}, istio.io/rev: {{ . }}{{ end }}}
    podAnnotations: {inject.istio.io/templates: gateway}
    pod: {securityContext: {{ $v.securityContext | default (dict "sysctls" (list (dict "name" "net.ipv4.ip_unprivileged_port_start" "value" "0"))) | toJson }}}
    containers:
      istio-proxy:
        image: auto
        imagePullPolicy: {{ $v.imagePullPolicy }}
        securityContext: {{ include "lib.hardened" . | fromYaml | merge (dict "privileged" false "runAsNonRoot" true) | toJson }}
        resources: {{ toJson $v.resources }}
        ports: {http-envoy-prom: 15090}
objects:
  autoscaler:
    when: {{ $v.autoscaling.enabled }}
    apiVersion: autoscaling/v2
    kind: HorizontalPodAutoscaler
    name: {{ $name }}
    spec: {maxReplicas: 5, minReplicas: 1, scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: {{ $name }}}}
  budget:
    when: {{ and (not (empty $v.podDisruptionBudget)) (gt (int $v.replicaCount) 1) }}
    apiVersion: policy/v1
    kind: PodDisruptionBudget
    name: {{ $name }}
    spec: {{ merge (dict "selector" (dict "matchLabels" $selector)) $v.podDisruptionBudget | toJson }}
{{- end -}}

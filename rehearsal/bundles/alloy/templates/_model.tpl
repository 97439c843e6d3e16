{{- define "model" -}}
{{- $v := .Values }}
{{- $name := .Release.Name }}
{{- $kinds := dict "daemonset" "DaemonSet" "deployment" "Deployment" "statefulset" "StatefulSet" }}
{{- $selector := include "lib.selector" . }}
{{- include "lib.refuse" (list (not (hasKey $kinds $v.controller.type)) (printf "controller.type %s" $v.controller.type)) }}
accounts: {{ dict $name dict | toJson }}
configs:
  {{ $name }}: {data: {config.alloy: {{ tpl $v.alloy.configMap.content . | toJson }}}}
services:
  {{ $name }}: {internalTrafficPolicy: Cluster, selector: {{ $selector }}, ports: {http-metrics: 12345:12345}}
workloads:
  {{ $name }}:
    kind: {{ get $kinds $v.controller.type }}
    replicas: {{ eq $v.controller.type "daemonset" | ternary nil $v.controller.replicas | toJson }}
    selector: {{ $selector }}
    podAnnotations: {{ toJson $v.controller.podAnnotations }}
    pod: {securityContext: {{ toJson $v.global.podSecurityContext }}}
    containers:
      alloy:
        image: {{ $v.global.image.registry | default "docker.io" }}/grafana/alloy:{{ .Chart.AppVersion }}
        args: [run, /etc/alloy/config.alloy{{ if not $v.alloy.enableReporting }}, --disable-reporting{{ end }}]
        env: {{ toJson $v.alloy.extraEnv }}
        resources: {{ toJson $v.alloy.resources }}
        imagePullPolicy: {{ $v.image.pullPolicy }}
        {{- include "lib.fields" (pick $v.alloy "securityContext" "livenessProbe") | indent 8 }}
        readinessProbe: {httpGet: {path: /-/ready, port: 12345, scheme: HTTP}, initialDelaySeconds: 10, timeoutSeconds: 1}
        ports: {http-metrics: 12345}
        volumeMounts: {{ concat (list (dict "name" "config" "mountPath" "/etc/alloy")) $v.alloy.mounts.extra | toJson }}
      config-reloader:
        when: {{ $v.configReloader.enabled }}
        image: {{ $v.global.image.registry | default "quay.io" }}/prometheus-operator/prometheus-config-reloader:v0.91.0@sha256:7d9e4eea5f1139e602508871f422b0116c60e87c662f3dcd234d5ab60cd0d8c1
        imagePullPolicy: IfNotPresent
        securityContext: {{ include "lib.hardened" . | fromYaml | merge (dict "runAsGroup" 65534 "runAsNonRoot" true "runAsUser" 65534
          "seccompProfile" (dict "type" "RuntimeDefault")) | toJson }}
        resources: {{ toJson $v.configReloader.resources }}
    volumes: {{ concat (list (dict "name" "config" "configMap" (dict "name" $name))) $v.controller.volumes.extra | toJson }}
monitors:
  {{ $name }}:
    when: {{ $v.serviceMonitor.enabled }}
    labels: {{ toJson $v.serviceMonitor.additionalLabels }}
    selector: {matchLabels: {{ $selector }}}
    endpoints: [{port: http-metrics, scheme: http, honorLabels: true}]
{{- end -}}

{{- define "config" -}}
{{- with .Values.tempo -}}
memberlist: {cluster_label: {{ $.Release.Name }}.{{ $.Release.Namespace }}}
usage_report: {reporting_enabled: {{ .reportingEnabled }}}
compactor: {compaction: {block_retention: {{ .retention }}}}
distributor: {receivers: {{ toJson .receivers }}}
server: {http_listen_port: 3200}
storage: {{ toJson .storage }}
overrides: {{ toJson .overrides }}
{{- if .metricsGenerator.enabled }}
metrics_generator: {{ omit .metricsGenerator "enabled" | toJson }}
{{- end }}
{{- end }}
{{- end -}}

{{- define "model" -}}
{{- $v := .Values }}
{{- $name := .Release.Name }}
{{- $selector := include "lib.selector" . }}
{{- $version := dict "helm.sh/chart" (printf "tempo-%s" .Chart.Version) "app.kubernetes.io/version" .Chart.AppVersion }}
{{- $labels := merge $version (fromYaml $selector) | toJson }}
{{- $account := $v.serviceAccount.name | default $name }}
accounts: {{ dict $account (dict "when" $v.serviceAccount.create) | toJson }}
configs:
  tempo: {data: {tempo.yaml: {{ include "config" . | toJson }}}}
services:
  {{ $name }}:
    labels: {{ $labels }}
    selector: {{ $selector }}
    ports: {tempo-prom-metrics: 3200:3200, grpc-tempo-otlp: 4317:4317, tempo-otlp-http: 4318:4318}
workloads:
  {{ $name }}:
    kind: StatefulSet
    replicas: {{ $v.replicas }}
    spec: {serviceName: {{ $name }}-headless}
    selector: {{ $selector }}
    podLabels: {{ toJson $v.podLabels }}
    podAnnotations: {{ merge (dict "checksum/config" (include "config" . | sha256sum)) ($v.podAnnotations | default dict) | toJson }}
    account: {{ $account }}
    pod: {automountServiceAccountToken: {{ $v.serviceAccount.automountServiceAccountToken }}, securityContext: {{ toJson $v.securityContext }}}
    containers:
      tempo:
        imagePullPolicy: {{ $v.tempo.pullPolicy }}
        {{- include "lib.fields" (pick $v.tempo "securityContext" "livenessProbe" "readinessProbe") | indent 8 }}
        image: {{ $v.global.imageRegistry | default "docker.io" }}/grafana/tempo:{{ .Chart.AppVersion }}
        args:
        - -config.file=/conf/tempo.yaml
        - -mem-ballast-size-mbs={{ $v.tempo.memBallastSizeMbs }}
        {{- range $flag, $value := $v.tempo.extraArgs }}
        - -{{ $flag }}{{ with $value }}={{ . }}{{ end }}
        {{- end }}
        env: {{ toJson $v.tempo.extraEnv }}
        resources: {{ toJson $v.tempo.resources }}
        ports: {prom-metrics: 3200, otlp-grpc: 4317, otlp-http: 4318}
        volumeMounts: [{mountPath: /conf, name: tempo-conf}{{ if $v.persistence.enabled }}, {mountPath: /var/tempo, name: storage}{{ end }}, {mountPath: /tmp, name: tmp}]
    volumes: [{name: tempo-conf, configMap: {name: tempo}}, {name: tmp, emptyDir: {}}]
    claims: {{ $v.persistence.enabled | ternary (list (dict "name" "storage" "size" $v.persistence.size)) list | toJson }}
monitors:
  {{ $name }}:
    when: {{ $v.serviceMonitor.enabled }}
    labels: {{ toJson $v.serviceMonitor.additionalLabels }}
    selector: {matchLabels: {{ $labels }}}
    namespaceSelector: {matchNames: [{{ .Release.Namespace }}]}
    endpoints: [{port: tempo-prom-metrics}]
{{- end -}}

{{- define "config" -}}
{{- $v := .Values -}}
usage_report: {reporting_enabled: {{ $v.reportingEnabled }}}
cache: {{ toJson $v.cache }}
compactor: {compaction: {{ toJson $v.compactor.config.compaction }}, ring: {kvstore: {store: memberlist}}}
distributor:
  receivers:
    otlp:
      protocols:
        {{- if $v.traces.otlp.grpc.enabled }}
        grpc: {endpoint: "0.0.0.0:4317"}
        {{- end }}
        {{- if $v.traces.otlp.http.enabled }}
        http: {endpoint: "0.0.0.0:4318"}
        {{- end }}
ingester: {lifecycler: {ring: {kvstore: {store: memberlist}, replication_factor: {{ $v.ingester.config.replication_factor }}}}}
memberlist: {cluster_label: "{{ .Release.Name }}.{{ .Release.Namespace }}", join_members: ["dns+{{ .Release.Name }}-gossip-ring:7946"]}
{{- if $v.metricsGenerator.enabled }}
metrics_generator: {{ toJson $v.metricsGenerator.config }}
{{- end }}
overrides: {{ toJson $v.overrides }}
querier: {frontend_worker: {frontend_address: "{{ .Release.Name }}-query-frontend-discovery:9095"}}
server: {http_listen_port: 3200}
storage: {trace: {{ toJson $v.storage.trace }}}
{{- end -}}

{{/* The parts: the section of the values that sizes each, the ports of its Service, of the headless one beside it, and of its container. */}}
{{- define "parts" -}}
{{- $otlp := .Values.traces.otlp -}}
compactor: {section: compactor, ports: {http-metrics: 3200:http-metrics}}
distributor:
  section: distributor
  ports:
    http-metrics: 3200:http-metrics
    grpc: 9095:9095
    {{- if $otlp.http.enabled }}
    distributor-otlp-http: 4318:otlp-http
    {{- end }}
    {{- if $otlp.grpc.enabled }}
    grpc-distributor-otlp: 4317:grpc-otlp
    {{- end }}
  discovery: {http-metrics: 3200:http-metrics}
  container:
    {{- if $otlp.http.enabled }}
    otlp-http: 4318
    {{- end }}
    {{- if $otlp.grpc.enabled }}
    grpc-otlp: 4317
    {{- end }}
ingester: {section: ingester, ports: &ingester {http-metrics: 3200:http-metrics, grpc: 9095:grpc}, discovery: *ingester, container: {grpc: 9095}}
{{- if .Values.metricsGenerator.enabled }}
metrics-generator:
  section: metricsGenerator
  ports: &generator {grpc: 9095:9095, http-metrics: 3200:3200}
  discovery: *generator
  container: {grpc: 9095}
{{- end }}
querier: {section: querier, ports: {http-metrics: 3200:http-metrics, grpc: 9095:9095}}
query-frontend:
  section: queryFrontend
  ports: {http-metrics: 3200:http-metrics, grpc: 9095:grpc}
  discovery: {http: 3200:http-metrics, grpc: 9095:grpc, grpclb: 9096:grpc}
  container: {grpc: 9095}
{{- end -}}

{{- define "model" -}}
{{- $v := .Values }}
{{- $name := .Release.Name }}
{{- $account := $v.serviceAccount.name | default $name }}
{{- $parts := include "parts" . | fromYaml }}
{{- range $part, $shape := $parts }}
{{- $_ := set $shape "selector" (dict "app.kubernetes.io/name" "tempo" "app.kubernetes.io/instance" $name "app.kubernetes.io/component" $part) }}
{{- end }}
{{- include "lib.refuse" (list $v.memcached.enabled "memcached.enabled: the bundle has no caches") }}
{{- include "lib.refuse" (list $v.gateway.enabled "gateway.enabled: the bundle has no gateway") }}
{{- include "lib.refuse" (list (ne $v.storage.trace.backend "azure") "storage.trace.backend: the bundle knows azure alone") }}
accounts: {{ dict $account (dict "when" $v.serviceAccount.create) | toJson }}
configs:
  {{ $name }}-config: {data: {tempo.yaml: {{ include "config" . | toJson }}}}
services:
  {{ $name }}-gossip-ring:
    labels: {}
    clusterIP: None
    selector: {app.kubernetes.io/name: tempo, app.kubernetes.io/instance: {{ $name }}, app.kubernetes.io/part-of: memberlist}
    ports: {gossip-ring: 7946:7946}
  {{- range $part, $shape := $parts }}
  {{ $name }}-{{ $part }}: {selector: {{ toJson .selector }}, ports: {{ toJson .ports }}}
  {{ $name }}-{{ $part }}-discovery:
    {when: {{ hasKey . "discovery" }}, clusterIP: None, selector: {{ toJson .selector }}, ports: {{ toJson .discovery }}}
  {{- end }}
workloads:
  {{- range $part, $shape := $parts }}
  {{- $of := index $v .section }}
  {{- $volume := get (dict "ingester" "data" "metrics-generator" "wal") $part | default (printf "tempo-%s-store" $part) }}
  {{ $name }}-{{ $part }}:
    {{- if eq $part "ingester" }}
    kind: StatefulSet
    spec: {serviceName: ingester, podManagementPolicy: Parallel}
    claims: {{ $of.persistence.enabled | ternary (list (dict "name" "data" "size" $of.persistence.size)) list | toJson }}
    {{- end }}
    replicas: {{ $of.replicas }}
    selector: {{ toJson .selector }}
    podLabels: {{ merge (dict "app.kubernetes.io/part-of" "memberlist") $v.tempo.podLabels | toJson }}
    podAnnotations: {{ merge (dict "checksum/config" (include "config" $ | sha256sum)) ($v.tempo.podAnnotations | default dict) | toJson }}
    account: {{ $account }}
    pod: {enableServiceLinks: false, securityContext: {{ toJson $v.tempo.podSecurityContext }}}
    containers:
      {{ $part }}:
        imagePullPolicy: {{ $v.tempo.image.pullPolicy }}
        {{- include "lib.fields" (pick $v.tempo "securityContext" "livenessProbe" "readinessProbe") | indent 8 }}
        image: {{ $v.global.image.registry }}/grafana/tempo:{{ $v.tempo.image.tag | default $.Chart.AppVersion }}
        args: {{ concat (list (printf "-target=%s" $part) "-config.file=/conf/tempo.yaml") $of.extraArgs | toJson }}
        env: {{ toJson $of.extraEnv }}
        resources: {{ toJson $of.resources }}
        ports: {{ merge (dict "http-memberlist" 7946 "http-metrics" 3200) (.container | default dict) | toJson }}
        volumeMounts: [{mountPath: /conf, name: config}, {mountPath: /var/tempo, name: {{ $volume }}}]
    volumes:
    - {name: config, configMap: {name: {{ $name }}-config}}
    {{- if not (and (eq $part "ingester") $of.persistence.enabled) }}
    - {name: {{ $volume }}, emptyDir: {}}
    {{- end }}
  {{- end }}
monitors:
  {{- range $part, $shape := $parts }}
  {{ $name }}-{{ $part }}:
    when: {{ $v.metaMonitoring.serviceMonitor.enabled }}
    labels: {{ toJson $v.metaMonitoring.serviceMonitor.labels }}
    namespaceSelector: {matchNames: [{{ $.Release.Namespace }}]}
    selector: {matchLabels: {{ toJson .selector }}}
    endpoints:
    - port: http-metrics
      relabelings: [{action: replace, sourceLabels: [job], replacement: "{{ $.Release.Namespace }}/{{ $part }}", targetLabel: job}]
  {{- end }}
{{- end -}}

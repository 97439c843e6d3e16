{{/* Where blobs go: the same account for chunks and for rules, with a container each. */}}
{{- define "storage" -}}
azure:
  container_name: {{ .bucket }}
  {{- range $key, $value := .root.Values.loki.storage.azure }}
  {{ snakecase $key }}: {{ toJson $value }}
  {{- end }}
{{- end -}}

{{- define "config" -}}
{{- $v := .Values }}
{{- $l := $v.loki }}
{{- $name := .Release.Name }}
{{- $here := printf "%s.svc.cluster.local" .Release.Namespace }}
{{- $distributed := eq $v.deploymentMode "Distributed" -}}
auth_enabled: {{ $l.auth_enabled }}
common:
  {{- toYaml $l.commonConfig | nindent 2 }}
  compactor_grpc_address: {{ $name }}{{ if $distributed }}-compactor{{ end }}.{{ $here }}:9095
  storage:
    {{- include "storage" (dict "root" . "bucket" $l.storage.bucketNames.chunks) | nindent 4 }}
{{- if $v.ruler.enabled }}
ruler:
  storage:
    type: {{ $l.storage.type }}
    {{- include "storage" (dict "root" . "bucket" $l.storage.bucketNames.ruler) | nindent 4 }}
{{- end }}
{{- $memcached := printf "dnssrvnoa+_memcached-client._tcp.%s-%%s.%s" $name $here }}
{{- if $v.chunksCache.enabled }}
chunk_store_config: {chunk_cache_config: {memcached_client: {addresses: {{ printf $memcached "chunks-cache" }}}}}
{{- end }}
{{- if $v.resultsCache.enabled }}
query_range: {cache_results: true, results_cache: {cache: {memcached_client: {addresses: {{ printf $memcached "results-cache" }}}}}}
{{- end }}
{{- if $distributed }}
frontend: {scheduler_address: {{ $name }}-query-scheduler-headless.{{ $here }}:9095, tail_proxy_url: "http://{{ $name }}-querier.{{ $here }}:3100"}
frontend_worker: {scheduler_address: {{ $name }}-query-scheduler-headless.{{ $here }}:9095}
{{- end }}
memberlist: {join_members: [{{ $name }}-memberlist.{{ $here }}]}
schema_config: {{ toJson $l.schemaConfig }}
storage_config: {{ merge (dict "use_thanos_objstore" $l.storage.use_thanos_objstore) $l.storage_config | toJson }}
{{- include "lib.fields" (pick $l "server" "ingester" "limits_config" "compactor" "querier" "analytics") }}
{{- end -}}

{{/* What runs Loki in this mode: the section of the values that sizes a part, its kind, its workload and volume. */}}
{{- define "parts" -}}
{{- $name := .Release.Name -}}
{{- if eq .Values.deploymentMode "Monolithic" -}}
single-binary: {section: singleBinary, kind: StatefulSet, target: all, name: {{ $name }}, container: loki, volume: storage}
{{- else if eq .Values.deploymentMode "Distributed" -}}
{{- range $part, $section := dict "compactor" "compactor" "index-gateway" "indexGateway" "ingester" "ingester" }}
{{ $part }}: {section: {{ $section }}, kind: StatefulSet, target: {{ $part }}, name: {{ $name }}-{{ $part }}, container: {{ $part }}, volume: data}
{{- end }}
{{- range $part, $section := dict "distributor" "distributor" "querier" "querier" "query-frontend" "queryFrontend"
  "query-scheduler" "queryScheduler" }}
{{ $part }}: {section: {{ $section }}, kind: Deployment, target: {{ $part }}, name: {{ $name }}-{{ $part }}, container: {{ $part }}, volume: data}
{{- end }}
{{- else }}{{ include "lib.refuse" (list true (printf "deploymentMode %s" .Values.deploymentMode)) }}{{ end }}
{{- end -}}

{{- define "refusals" -}}
{{- $v := .Values }}
{{- $parts := add $v.distributor.replicas $v.ingester.replicas $v.querier.replicas $v.queryFrontend.replicas | int }}
{{- $scalable := add $v.write.replicas $v.read.replicas $v.backend.replicas | int }}
{{- include "lib.refuse" (list (or $v.lokiCanary.enabled $v.test.enabled) "lokiCanary.enabled or test.enabled: the bundle has neither") }}
{{- include "lib.refuse" (list $v.sidecar.rules.enabled "sidecar.rules.enabled: the bundle has no sidecar") }}
{{- include "lib.refuse" (list (ne $v.loki.storage.type "azure") "loki.storage.type: the bundle knows azure alone") }}
{{- include "lib.refuse" (list $v.loki.storage.use_thanos_objstore "loki.storage.use_thanos_objstore: the bundle knows Loki's own clients alone") }}
{{- include "lib.refuse" (list (gt $scalable 0) "replicas of write, read or backend beside another mode") }}
{{- include "lib.refuse" (list (and (gt (int $v.singleBinary.replicas) 0) (gt $parts 0)) "replicas of both the monolith and the parts") }}
{{- if eq $v.deploymentMode "Distributed" }}
{{- include "lib.refuse" (list $v.ingester.zoneAwareReplication.enabled "ingester.zoneAwareReplication without its operator") }}
{{- include "lib.refuse" (list $v.ruler.enabled "ruler.enabled: the bundle has no ruler of its own process") }}
{{- end }}
{{- end -}}

{{/* What every container of it has; Loki's own and nginx with a seccomp profile beside that of their pods. */}}
{{- define "confined" -}}{{ include "lib.hardened" . | fromYaml | merge (dict "seccompProfile" (dict "type" "RuntimeDefault")) | toJson }}{{- end -}}

{{- define "model" -}}
{{- include "refusals" . }}
{{- $v := .Values }}
{{- $name := .Release.Name }}
{{- $account := $v.serviceAccount.name | default $name }}
{{- $common := include "lib.selector" . | fromYaml }}
{{- $parts := include "parts" . | fromYaml }}
{{- range $part, $shape := $parts }}{{ $_ := set . "selector" (merge (dict "app.kubernetes.io/component" $part) $common) }}{{ end }}
{{- $gateway := merge (dict "app.kubernetes.io/component" "gateway") $common }}
{{- $ports := "{http-metrics: 3100:http-metrics, grpc: 9095:grpc, grpclb: 9096:grpc}" }}
{{- $caches := dict "chunks-cache" $v.chunksCache "results-cache" $v.resultsCache }}
{{- range $cache, $of := $caches }}
{{- $_ := set . "selector" (merge (dict "app.kubernetes.io/component" (printf "memcached-%s" $cache)) $common) }}
{{- end }}
accounts:
  {{ $account }}: {when: {{ $v.serviceAccount.create }}}
  {{ $name }}-gateway: {when: {{ $v.gateway.enabled }}, automountServiceAccountToken: false}
  {{ $name }}-memcached: {automountServiceAccountToken: false}
configs:
  {{ $name }}: {data: {config.yaml: {{ include "config" . | toJson }}}}
services:
  {{ $name }}-memberlist:
    labels: {}
    clusterIP: None
    selector: {{ merge (dict "app.kubernetes.io/part-of" "memberlist") $common | toJson }}
    ports: {tcp: 7946:http-memberlist}
  {{- range $parts }}
  {{ .name }}: {selector: {{ toJson .selector }}, publishNotReadyAddresses: true, ports: {{ $ports }}}
  {{ .name }}-headless:
    labels: {{ merge (dict "prometheus.io/service-monitor" "false") .selector | toJson }}
    clusterIP: None
    selector: {{ toJson .selector }}
    ports: {{ $ports }}
  {{- end }}
  {{ $name }}-gateway:
    when: {{ $v.gateway.enabled }}
    labels: {{ merge (dict "prometheus.io/service-monitor" "false") $gateway | toJson }}
    selector: {{ toJson $gateway }}
    ports: {http: 80:http}
  {{ $name }}-gateway-exporter:
    when: {{ and $v.gateway.enabled $v.gateway.metrics.enabled }}
    selector: {{ toJson $gateway }}
    ports: {http-metrics: 4040:http-metrics}
  {{- range $cache, $of := $caches }}
  {{ $name }}-{{ $cache }}:
    when: {{ .enabled }}
    clusterIP: None
    selector: {{ toJson .selector }}
    ports: {memcached-client: 11211:client, http-metrics: 9150:http-metrics}
  {{- end }}
workloads:
  {{- range $parts }}
  {{- $of := index $v .section }}
  {{ .name }}:
    kind: {{ .kind }}
    {{- if eq .kind "StatefulSet" }}
    spec: {serviceName: {{ .name }}-headless{{ if ne .target "index-gateway" }}, podManagementPolicy: Parallel{{ end }}}
    {{- end }}
    replicas: {{ $of.replicas }}
    selector: {{ toJson .selector }}
    podLabels: {{ merge (dict "app.kubernetes.io/part-of" "memberlist") $v.defaults.podLabels | toJson }}
    podAnnotations: {{ merge (dict "checksum/config" (include "config" $ | sha256sum)) ($v.defaults.podAnnotations | default dict) | toJson }}
    account: {{ $account }}
    pod:
      automountServiceAccountToken: {{ $v.defaults.automountServiceAccountToken }}
      securityContext: {fsGroup: 10001, fsGroupChangePolicy: OnRootMismatch, runAsGroup: 10001, runAsNonRoot: true, runAsUser: 10001,
        seccompProfile: {type: RuntimeDefault}}
    containers:
      {{ .container }}:
        imagePullPolicy: {{ $v.loki.image.pullPolicy }}
        securityContext: {{ include "confined" $ }}
        livenessProbe: {httpGet: {path: /loki/api/v1/status/buildinfo, port: http-metrics}, failureThreshold: 10, periodSeconds: 30,
          successThreshold: 1, timeoutSeconds: 1}
        readinessProbe: {httpGet: {path: /ready, port: http-metrics}, initialDelaySeconds: 15, failureThreshold: 3, periodSeconds: 10,
          successThreshold: 1, timeoutSeconds: 1}
        image: {{ $v.global.imageRegistry | default "docker.io" }}/grafana/loki:{{ $.Chart.AppVersion }}
        args: [-config.file=/etc/loki/config/config.yaml, -config.expand-env=true, -target={{ .target }}]
        env: {{ toJson $v.defaults.extraEnv }}
        resources: {{ toJson $of.resources }}
        ports: {http-metrics: 3100, grpc: 9095, http-memberlist: 7946}
        volumeMounts: [{name: config, mountPath: /etc/loki/config}, {name: {{ .volume }}, mountPath: /var/loki}, {name: temp, mountPath: /tmp}]
    volumes:
    - {name: temp, emptyDir: {}}
    - {name: config, configMap: {name: {{ $name }}, items: [{key: config.yaml, path: config.yaml}]}}
    {{- if $of.persistence.enabled }}
    claims: {{ dig "claims" (list (merge (dict "name" .volume) $of.persistence)) $of.persistence | toJson }}
    {{- else }}
    - {name: {{ .volume }}, emptyDir: {}}
    {{- end }}
  {{- end }}
  {{ $name }}-gateway:
    when: {{ $v.gateway.enabled }}
    replicas: {{ $v.gateway.replicas }}
    selector: {{ toJson $gateway }}
    pod: {automountServiceAccountToken: false, securityContext: {{ toJson $v.gateway.podSecurityContext }}}
    containers:
      nginx:
        image: {{ $v.global.imageRegistry | default "docker.io" }}/nginxinc/nginx-unprivileged:1.31-alpine
        imagePullPolicy: {{ $v.gateway.image.pullPolicy }}
        securityContext: {{ include "confined" . }}
        livenessProbe: {{ toJson $v.gateway.livenessProbe }}
        readinessProbe: {httpGet: {path: /, port: http}, initialDelaySeconds: 15, timeoutSeconds: 1}
        resources: {{ toJson $v.gateway.resources }}
        ports: {http: 8080}
        volumeMounts: [{name: tmp, mountPath: /tmp}]
      exporter:
        when: {{ $v.gateway.metrics.enabled }}
        image: {{ $v.global.imageRegistry | default "ghcr.io" }}/jkroepke/access-log-exporter:0.4.11
        imagePullPolicy: IfNotPresent
        securityContext: {{ include "confined" . | fromJson | merge (dict "privileged" false "runAsGroup" 65532 "runAsNonRoot" true "runAsUser" 65532) | toJson }}
        livenessProbe: {failureThreshold: 3, httpGet: &health {path: /health, port: http-metrics}, initialDelaySeconds: 30, periodSeconds: 10, timeoutSeconds: 5}
        readinessProbe: {failureThreshold: 3, httpGet: *health, initialDelaySeconds: 5, periodSeconds: 5, timeoutSeconds: 3}
        ports: {http-metrics: 4040}
    volumes: [{name: tmp, emptyDir: {}}]
  {{- range $cache, $of := $caches }}
  {{- $memory := printf "%dMi" (round (mulf .allocatedMemory 1.2) 0 | int) }}
  {{ $name }}-{{ $cache }}:
    when: {{ .enabled }}
    kind: StatefulSet
    spec: {serviceName: {{ $name }}-{{ $cache }}}
    replicas: 1
    selector: {{ merge (dict "name" (printf "memcached-%s" $cache)) .selector | toJson }}
    account: {{ $name }}-memcached
    pod: {securityContext: {fsGroup: 11211, runAsGroup: 11211, runAsNonRoot: true, runAsUser: 11211,
      seccompProfile: {type: RuntimeDefault}}}
    containers:
      memcached: {image: '{{ $v.global.imageRegistry | default "docker.io" }}/library/memcached:1.6.45-alpine', args: ["-m {{ .allocatedMemory }}"], ports: {client: 11211},
        imagePullPolicy: {{ $v.memcached.image.pullPolicy }}, securityContext: {{ include "confined" $ | fromJson | merge (dict "runAsNonRoot" true) | toJson }},
        livenessProbe: {tcpSocket: {port: client}, failureThreshold: 3, initialDelaySeconds: 30, periodSeconds: 10, timeoutSeconds: 5},
        readinessProbe: {tcpSocket: {port: client}, failureThreshold: 6, initialDelaySeconds: 5, periodSeconds: 5, timeoutSeconds: 3},
        resources: {{ .resources | default (dict "limits" (dict "memory" $memory) "requests" (dict "cpu" "500m" "memory" $memory)) | toJson }}}
      exporter: {image: '{{ $v.global.imageRegistry | default "docker.io" }}/prom/memcached-exporter:v0.17.0', ports: {http-metrics: 9150},
        imagePullPolicy: {{ $v.memcachedExporter.image.pullPolicy }},
        livenessProbe: {httpGet: {path: /metrics, port: http-metrics}, failureThreshold: 3, initialDelaySeconds: 30, periodSeconds: 10, timeoutSeconds: 5},
        readinessProbe: {httpGet: {path: /metrics, port: http-metrics}, failureThreshold: 3, initialDelaySeconds: 5, periodSeconds: 5, timeoutSeconds: 3},
        securityContext: {{ include "confined" $ | fromJson | merge (dict "runAsNonRoot" true) | toJson }},
        resources: {{ toJson $v.memcachedExporter.resources }}}
  {{- end }}
monitors:
  {{ $name }}:
    when: {{ $v.monitoring.serviceMonitor.enabled }}
    labels: {{ toJson $v.monitoring.serviceMonitor.labels }}
    selector: {matchLabels: {{ toJson $common }}, matchExpressions: [{key: prometheus.io/service-monitor, operator: NotIn, values: ["false"]}]}
    endpoints: [{port: http-metrics, path: /metrics, interval: 15s, scheme: http}]
objects:
  {{ $name }}-loki-rules:
    when: {{ $v.monitoring.rules.enabled }}
    apiVersion: monitoring.coreos.com/v1
    kind: PrometheusRule
    labels: {{ toJson $v.monitoring.rules.labels }}
{{- end -}}

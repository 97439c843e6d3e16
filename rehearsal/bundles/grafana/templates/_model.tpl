{{- define "ini" -}}
{{- range $section, $keys := index .Values "grafana.ini" }}
[{{ $section }}]
{{- range $key, $value := $keys }}
{{ $key }} = {{ tpl (toString $value) $ }}
{{- end }}
{{- end }}
{{- end -}}

{{- define "download" -}}
#!/usr/bin/env sh
set -euf
{{- range $file, $content := .Values.dashboardProviders }}
{{- range $content.providers }}
mkdir -p {{ .options.path }}
{{- end }}
{{- end }}
{{ range $provider, $dashboards := .Values.dashboards }}
{{- range $key, $dashboard := $dashboards }}
curl {{ $.Values.defaultCurlOptions }} \
--connect-timeout 60 \
--max-time 60 \
-H "Accept: application/json" \
-H "Content-Type: application/json;charset=UTF-8" \
  "https://grafana.com/api/dashboards/{{ $dashboard.gnetId }}/revisions/{{ $dashboard.revision }}/download" \
{{- range $dashboard.datasource }}
      | sed -E '/-- .* --/! s/\$\{?{{ .name }}\}?/{{ .value }}/g' \
{{- end }}
> "/var/lib/grafana/dashboards/{{ $provider }}/{{ $key }}.json"
  {{ end }}
{{- end }}
{{- end -}}

{{/* The init container that fetches dashboards from grafana.com. */}}
{{- define "downloader" -}}
{{- $v := .Values }}
- name: download-dashboards
  image: {{ $v.global.imageRegistry | default "docker.io" }}/curlimages/curl:8.21.0
  imagePullPolicy: {{ $v.downloadDashboardsImage.pullPolicy }}
  command: [/bin/sh]
  args: [-c, mkdir -p /var/lib/grafana/dashboards/default && /bin/sh -x /etc/grafana/download_dashboards.sh]
  resources: {{ toJson $v.downloadDashboards.resources }}
  securityContext: {{ toJson $v.downloadDashboards.securityContext }}
  volumeMounts:
  - {name: config, mountPath: /etc/grafana/download_dashboards.sh, subPath: download_dashboards.sh}
  - {name: storage, mountPath: /var/lib/grafana}
{{- end -}}

{{- define "model" -}}
{{- $v := .Values }}
{{- $name := .Release.Name }}
{{- $selector := include "lib.selector" . }}
{{- $secret := $v.admin.existingSecret }}
{{- include "lib.refuse" (list $v.testFramework.enabled "testFramework.enabled: the bundle has no test pods") }}
{{- include "lib.refuse" (list $v.sidecar.datasources.enabled "sidecar.datasources.enabled: the bundle takes datasources from the values alone") }}
{{- include "lib.refuse" (list (and $v.persistence.enabled $v.initChownData.enabled) "initChownData.enabled: the bundle has no such container") }}
accounts: {{ dict $name (dict "automountServiceAccountToken" false) | toJson }}
configs:
  {{ $name }}:
    data:
      grafana.ini: {{ include "ini" . | trim | toJson }}
      {{- range $file, $content := $v.datasources }}
      {{ $file }}: {{ tpl (toYaml $content) $ | toJson }}
      {{- end }}
      {{- range $file, $content := $v.dashboardProviders }}
      {{ $file }}: {{ toYaml $content | toJson }}
      {{- end }}
      {{- if $v.dashboards }}
      download_dashboards.sh: {{ include "download" . | toJson }}
      {{- end }}
  {{- range $provider, $dashboards := $v.dashboards }}
  {{ $name }}-dashboards-{{ $provider }}: {data: {}}
  {{- end }}
  {{- with $v.sidecar.dashboards }}
  {{ $name }}-config-dashboards:
    when: {{ .enabled }}
    data: {provider.yaml: {{ printf "{providers: [{name: sidecarProvider, options: {foldersFromFilesStructure: %t, path: /tmp/dashboards}}]}"
      .provider.foldersFromFilesStructure | quote }}}
  {{- end }}
services:
  {{ $name }}: {selector: {{ $selector }}, ports: {service: 80:grafana}}
workloads:
  {{ $name }}:
    replicas: {{ $v.replicas }}
    spec: {strategy: {{ toJson $v.deploymentStrategy }}}
    selector: {{ $selector }}
    podAnnotations: {{ merge (dict "checksum/config" (printf "%s%s%s%s" (include "ini" .) (toJson $v.datasources) (toJson $v.dashboardProviders) (include "download" .) | sha256sum)) ($v.podAnnotations | default dict) | toJson }}
    {{- $pod := dict "automountServiceAccountToken" true "securityContext" (dict "fsGroup" 472 "runAsGroup" 472 "runAsNonRoot" true "runAsUser" 472) }}
    {{- if $v.dashboards }}
    {{- $_ := set $pod "initContainers" (include "downloader" . | fromYamlArray) }}
    {{- end }}
    pod: {{ toJson $pod }}
    containers:
      grafana:
        image: {{ $v.global.imageRegistry | default "docker.io" }}/grafana/grafana:{{ .Chart.AppVersion }}
        imagePullPolicy: {{ $v.image.pullPolicy }}
        securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}, privileged: false, seccompProfile: {type: RuntimeDefault}}
        livenessProbe: {{ toJson $v.livenessProbe }}
        readinessProbe: {httpGet: {path: /api/health, port: grafana}}
        resources: {{ toJson $v.resources }}
        ports: {grafana: 3000}
        env:
        - {name: GF_SECURITY_ADMIN_USER, valueFrom: {secretKeyRef: {name: {{ $secret }}, key: {{ $v.admin.userKey }}}}}
        - {name: GF_SECURITY_ADMIN_PASSWORD, valueFrom: {secretKeyRef: {name: {{ $secret }}, key: {{ $v.admin.passwordKey }}}}}
        {{- range $variable, $source := $v.envValueFrom }}
        - {name: {{ $variable }}, valueFrom: {{ toJson $source }}}
        {{- end }}
        volumeMounts:
        - {name: storage, mountPath: /var/lib/grafana}
        {{- range $file, $content := $v.dashboardProviders }}
        - {name: config, mountPath: /etc/grafana/provisioning/dashboards/{{ $file }}, subPath: {{ $file }}}
        {{- end }}
        {{- range $v.extraVolumeMounts }}
        - {{ toJson . }}
        {{- end }}
      {{- with $v.sidecar.dashboards }}
      grafana-sc-dashboard:
        when: {{ .enabled }}
        image: {{ $v.global.imageRegistry | default "quay.io" }}/kiwigrid/k8s-sidecar:2.10.1
        imagePullPolicy: {{ $v.sidecar.imagePullPolicy }}
        securityContext: {{ toJson $v.sidecar.securityContext }}
        resources: {{ toJson $v.sidecar.resources }}
        volumeMounts: [{name: sc-dashboard-volume, mountPath: /tmp/dashboards}]
        env:
        - {name: LABEL, value: {{ quote .label }}}
        - {name: LABEL_VALUE, value: {{ quote .labelValue }}}
        - {name: NAMESPACE, value: {{ quote .searchNamespace }}}
        - {name: FOLDER_ANNOTATION, value: {{ quote .folderAnnotation }}}
      {{- end }}
    volumes:
    {{- if $v.sidecar.dashboards.enabled }}
    - {name: sc-dashboard-volume, emptyDir: {}}
    {{- end }}
    - {name: config, configMap: {name: {{ $name }}}}
    {{- range $provider, $dashboards := $v.dashboards }}
    - {name: dashboards-{{ $provider }}, configMap: {name: {{ $name }}-dashboards-{{ $provider }}}}
    {{- end }}
    {{- range $v.extraContainerVolumes }}
    - {{ toJson . }}
    {{- end }}
    {{- if $v.persistence.enabled }}
    - {name: storage, persistentVolumeClaim: {claimName: {{ $name }}}}
    {{- else }}
    - {name: storage, emptyDir: {}}
    {{- end }}
objects:
  {{ $name }}:
    when: {{ $v.persistence.enabled }}
    apiVersion: v1
    kind: PersistentVolumeClaim
    spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: {{ $v.persistence.size }}}}}
monitors:
  {{ $name }}:
    when: {{ $v.serviceMonitor.enabled }}
    labels: {{ toJson $v.serviceMonitor.labels }}
    jobLabel: {{ $name }}
    selector: {matchLabels: {{ $selector }}}
    namespaceSelector: {matchNames: [{{ $.Release.Namespace }}]}
    endpoints: [{port: service, honorLabels: true, path: /metrics, scheme: http}]
{{- end -}}

{{- define "ini" -}}
{{- range $section, $keys := index .Values "grafana.ini" }}
[{{ $section }}]
{{- range $key, $value := $keys }}
{{ $key }} = {{ tpl (toString $value) $ }}
{{- end }}
{{- end }}
{{- end -}}

{{- define "model" -}}
{{- $v := .Values }}
{{- $name := .Release.Name }}
{{- $selector := include "lib.selector" . }}
{{- $secret := $v.admin.existingSecret }}
{{- if $v.testFramework.enabled }}{{ include "lib.refuse" "testFramework.enabled: the bundle has no test pods" }}{{ end }}
{{- if $v.sidecar.datasources.enabled }}{{ include "lib.refuse" "sidecar.datasources.enabled: the bundle takes datasources from the values alone" }}{{ end }}
{{- if and $v.persistence.enabled $v.initChownData.enabled }}{{ include "lib.refuse" "initChownData.enabled: the bundle has no such container" }}{{ end }}
accounts: {{ dict $name (dict "automountServiceAccountToken" false) | toJson }}
configs:
  {{ $name }}:
    data:
      grafana.ini: {{ include "ini" . | trim | toJson }}
      {{- range $file, $content := $v.datasources }}
      {{ $file }}: {{ tpl (toYaml $content) $ | toJson }}
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
    podAnnotations: {checksum/config: {{ printf "%s%s" (include "ini" .) (toJson $v.datasources) | sha256sum }}}
    containers:
      grafana:
        image: docker.io/grafana/grafana:{{ .Chart.AppVersion }}
        resources: {{ toJson $v.resources }}
        ports: {grafana: 3000}
        env:
        - {name: GF_SECURITY_ADMIN_USER, valueFrom: {secretKeyRef: {name: {{ $secret }}, key: {{ $v.admin.userKey }}}}}
        - {name: GF_SECURITY_ADMIN_PASSWORD, valueFrom: {secretKeyRef: {name: {{ $secret }}, key: {{ $v.admin.passwordKey }}}}}
        volumeMounts: [{name: storage, mountPath: /var/lib/grafana}]
      {{- with $v.sidecar.dashboards }}
      grafana-sc-dashboard:
        when: {{ .enabled }}
        image: quay.io/kiwigrid/k8s-sidecar:2.10.1
        resources: {{ toJson $v.sidecar.resources }}
        env:
        {{- range $variable, $value := dict "LABEL" .label "LABEL_VALUE" .labelValue "NAMESPACE" .searchNamespace "FOLDER_ANNOTATION" .folderAnnotation }}
        - {name: {{ $variable }}, value: {{ quote $value }}}
        {{- end }}
      {{- end }}
    volumes:
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

{{/* What every bundle shares. Its templates/_model.tpl defines "model", a short YAML description, and "lib.objects" makes objects of it. */}}

{{/* (list condition why): what the real chart refuses too, or nobody modelled. It always starts the same, so that a test knows it. */}}
{{- define "lib.refuse" -}}{{- if index . 0 }}{{ fail (printf "refused: %s" (index . 1)) }}{{ end -}}{{- end -}}

{{/* The labels by which most charts select their pods. */}}
{{- define "lib.selector" -}}{app.kubernetes.io/name: {{ .Chart.Name }}, app.kubernetes.io/instance: {{ .Release.Name }}}{{- end -}}

{{/* The security context that most containers have. */}}
{{- define "lib.hardened" -}}{allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}, readOnlyRootFilesystem: true}{{- end -}}

{{/* A mapping as YAML lines, without its empty entries; false and 0 are not empty. */}}
{{- define "lib.fields" -}}
{{- range $key, $value := . }}
{{- if or $value (kindIs "bool" $value) (kindIs "float64" $value) }}
{{ $key }}: {{ toJson $value }}
{{- end }}
{{- end }}
{{- end -}}

{{/* A mapping without the entries that say `when: false`. */}}
{{- define "lib.kept" -}}
{{- $kept := dict }}
{{- range $name, $object := . }}
{{- if dig "when" true $object }}{{ $_ := set $kept $name (omit $object "when") }}{{ end }}
{{- end }}
{{- toJson $kept }}
{{- end -}}

{{/* "8080:web@http" -> port 8080 to target port web, application protocol http; all but the number may be left out. The name - is none. */}}
{{- define "lib.port" -}}
{{- $target := regexFind ":[^@]+" (toString .text) | trimPrefix ":" -}}
{ {{- if ne .name "-" }}name: {{ .name }}, {{ end }}{{ .number }}: {{ toString .text | regexFind "^[0-9]+" }}
  {{- with $target }}, targetPort: {{ . }}{{ end }}{{ with regexFind "@.+" (toString .text) }}, appProtocol: {{ trimPrefix "@" . }}{{ end }}}
{{- end -}}

{{- define "lib.metadata" -}}
metadata:
  name: {{ .name }}
  {{- if not .cluster }}
  namespace: {{ .object.namespace | default .root.Release.Namespace }}
  {{- end }}
  {{- include "lib.fields" (pick .object "labels" "annotations") | indent 2 }}
{{- end -}}

{{- define "lib.containers" -}}
{{- range $name, $container := include "lib.kept" . | fromJson }}
- name: {{ $name }}
  {{- include "lib.fields" (omit $container "ports") | indent 2 }}
  {{- with $container.ports }}
  ports:
  {{- range $port, $text := . }}
  - {{ include "lib.port" (dict "name" $port "text" $text "number" "containerPort") }}
  {{- end }}
  {{- end }}
{{- end }}
{{- end -}}

{{/* A model's keys, each a mapping by name: accounts, configs, services, workloads, monitors, webhooks, objects (anything else, as it is),
and crds (group -> kind -> {plural, scope, versions: the stored one first}). `when: false` leaves an entry out. */}}
{{- define "lib.objects" -}}
{{- $root := . -}}
{{- $model := include "model" . | fromYaml -}}
{{- with $model.Error }}{{ fail . }}{{ end -}}
{{- range $name, $object := include "lib.kept" $model.accounts | fromJson }}
---
apiVersion: v1
kind: ServiceAccount
{{ include "lib.metadata" (dict "root" $root "name" $name "object" $object) }}
{{- include "lib.fields" (pick $object "automountServiceAccountToken") }}
{{- end }}
{{- range $name, $object := include "lib.kept" $model.configs | fromJson }}
---
apiVersion: v1
kind: ConfigMap
{{ include "lib.metadata" (dict "root" $root "name" $name "object" $object) }}
data: {{ toJson $object.data }}
{{- end }}
{{- range $name, $object := include "lib.kept" $model.services | fromJson }}
---
apiVersion: v1
kind: Service
{{- $object = hasKey $object "labels" | ternary $object (merge (dict "labels" (deepCopy $object.selector)) $object) }}
{{ include "lib.metadata" (dict "root" $root "name" $name "object" $object) }}
spec:
  {{- include "lib.fields" (omit $object "labels" "annotations" "namespace" "ports") | indent 2 }}
  ports:
  {{- range $port, $text := $object.ports }}
  - {{ include "lib.port" (dict "name" $port "text" $text "number" "port") }}
  {{- end }}
{{- end }}
{{- range $name, $object := include "lib.kept" $model.workloads | fromJson }}
---
apiVersion: apps/v1
kind: {{ $object.kind | default "Deployment" }}
{{ include "lib.metadata" (dict "root" $root "name" $name "object" $object) }}
spec:
  {{- include "lib.fields" (merge (pick $object "replicas") ($object.spec | default dict)) | indent 2 }}
  selector: {matchLabels: {{ toJson $object.selector }}}
  template:
    metadata:
      labels: {{ merge (dict) ($object.podLabels | default dict) $object.selector | toJson }}
      {{- include "lib.fields" (dict "annotations" $object.podAnnotations) | indent 6 }}
    spec:
      serviceAccountName: {{ $object.account | default $name }}
      {{- include "lib.fields" (merge (dict "volumes" $object.volumes) ($object.pod | default dict)) | indent 6 }}
      containers: {{- include "lib.containers" $object.containers | indent 6 }}
  {{- with $object.claims }}
  volumeClaimTemplates:
  {{- range . }}
  - metadata: {name: {{ .name }}}
    spec: {accessModes: {{ .accessModes | default (list "ReadWriteOnce") | toJson }}, resources: {requests: {storage: {{ .size }}}}}
  {{- end }}
  {{- end }}
{{- end }}
{{- range $name, $object := include "lib.kept" $model.monitors | fromJson }}
---
apiVersion: monitoring.coreos.com/v1
kind: ServiceMonitor
{{ include "lib.metadata" (dict "root" $root "name" $name "object" $object) }}
spec:
  {{- include "lib.fields" (omit $object "labels") | indent 2 }}
{{- end }}
{{- range $name, $object := include "lib.kept" $model.webhooks | fromJson }}
---
apiVersion: admissionregistration.k8s.io/v1
kind: {{ $object.kind }}WebhookConfiguration
{{ include "lib.metadata" (dict "root" $root "name" ($object.name | default $name) "object" $object "cluster" true) }}
webhooks:
{{- range $hook, $fields := $object.hooks }}
- name: {{ $hook }}
  sideEffects: None
  admissionReviewVersions: [v1]
  {{- include "lib.fields" $fields | indent 2 }}
{{- end }}
{{- end }}
{{- range $name, $object := include "lib.kept" $model.objects | fromJson }}
---
apiVersion: {{ $object.apiVersion }}
kind: {{ $object.kind }}
{{ include "lib.metadata" (dict "root" $root "name" ($object.name | default $name) "object" $object) }}
{{- include "lib.fields" (pick $object "spec" "data") }}
{{- end }}
{{- range $group, $kinds := $model.crds }}
{{- range $kind, $crd := $kinds }}
{{- $plural := $crd.plural | default (printf "%ss" (lower $kind)) }}
---
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
{{ include "lib.metadata" (dict "name" (printf "%s.%s" $plural $group) "object" (dict "annotations" $model.crdAnnotations) "cluster" true) }}
spec:
  group: {{ $group }}
  names: {kind: {{ $kind }}, listKind: {{ $kind }}List, plural: {{ $plural }}, singular: {{ lower $kind }}}
  scope: {{ $crd.scope | default "Namespaced" }}
  versions:
  {{- range $index, $version := $crd.versions | default (list "v1") }}
  - name: {{ $version }}
    served: true
    storage: {{ eq $index 0 }}
    subresources: {status: {}}
    schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}
  {{- end }}
{{- end }}
{{- end }}
{{- end -}}

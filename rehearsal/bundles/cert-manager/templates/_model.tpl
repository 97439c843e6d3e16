{{- define "webhook" -}}
clientConfig: {service: {name: {{ .root.Release.Name }}-webhook, namespace: {{ .root.Release.Namespace }}, path: {{ .path }}}}
failurePolicy: Fail
matchPolicy: Equivalent
timeoutSeconds: {{ .root.Values.webhook.timeoutSeconds }}
{{- end -}}

{{/* The three processes: where their values are, the ports of their Services and containers, and what the values say on their command line. */}}
{{- define "parts" -}}
{{- $leader := printf "--leader-election-namespace=%s" .Values.global.leaderElection.namespace -}}
{{- $solver := printf "--acme-http01-solver-image=%s/jetstack/cert-manager-acmesolver:%s" .Values.imageRegistry .Chart.AppVersion -}}
controller: {name: {{ .Release.Name }}, values: {{ toJson .Values }}, app: cert-manager, args: [{{ $leader }}, {{ $solver }}],
  service: {http-metrics: 9402}, ports: {http-metrics: 9402, http-healthz: 9403}, probes: {livenessProbe: {initialDelaySeconds: 10,
    periodSeconds: 10, timeoutSeconds: 15, successThreshold: 1, failureThreshold: 8, httpGet: {path: /livez, port: http-healthz, scheme: HTTP}}}}
cainjector: {name: {{ .Release.Name }}-cainjector, values: {{ toJson .Values.cainjector }}, app: cainjector, args: [{{ $leader }}],
  service: {http-metrics: 9402}, ports: {http-metrics: 9402}}
webhook: {name: {{ .Release.Name }}-webhook, values: {{ toJson .Values.webhook }}, app: webhook, args: [--secure-port=10250],
  service: {https: 443:https, metrics: 9402:http-metrics}, ports: {https: 10250, healthcheck: 6080, http-metrics: 9402}, probes: {
    livenessProbe: {initialDelaySeconds: 60, periodSeconds: 10, timeoutSeconds: 1, successThreshold: 1, failureThreshold: 3,
      httpGet: {path: /livez, port: healthcheck, scheme: HTTP}},
    readinessProbe: {initialDelaySeconds: 5, periodSeconds: 5, timeoutSeconds: 1, successThreshold: 1, failureThreshold: 3,
      httpGet: {path: /healthz, port: healthcheck, scheme: HTTP}}}}
{{- end -}}

{{- define "model" -}}
{{- $v := .Values }}
{{- $name := .Release.Name }}
{{- $parts := include "parts" . | fromYaml }}
{{- range $component, $part := $parts }}
{{- $labels := dict "app.kubernetes.io/name" $part.app "app.kubernetes.io/instance" $name "app.kubernetes.io/component" $component }}
{{- $_ := set $part "selector" $labels }}
{{- end }}
accounts:
  {{- range $parts }}
  {{ .name }}: {}
  {{- end }}
services:
  {{- range $parts }}
  {{ .name }}: {selector: {{ toJson .selector }}, ports: {{ toJson .service }}}
  {{- end }}
workloads:
  {{- range $component, $part := $parts }}
  {{ .name }}:
    replicas: {{ .values.replicaCount }}
    selector: {{ toJson .selector }}
    podAnnotations: {{ toJson .values.podAnnotations }}
    pod: {nodeSelector: {kubernetes.io/os: linux}, enableServiceLinks: false, securityContext: {{ toJson .values.securityContext }}}
    containers:
      cert-manager-{{ $component }}:
        image: {{ $v.imageRegistry }}/jetstack/cert-manager-{{ $component }}:{{ $.Chart.AppVersion }}
        args: {{ toJson .args }}
        imagePullPolicy: {{ .values.image.pullPolicy }}
        securityContext: {{ include "lib.hardened" . }}
        {{- include "lib.fields" .probes | indent 8 }}
        resources: {{ toJson .values.resources }}
        ports: {{ toJson .ports }}
  {{- end }}
monitors:
  {{ $name }}:
    when: {{ and $v.prometheus.enabled $v.prometheus.servicemonitor.enabled }}
    selector:
      matchExpressions:
      - {key: app.kubernetes.io/name, operator: In, values: [cainjector, cert-manager, webhook]}
      - {key: app.kubernetes.io/instance, operator: In, values: [{{ $name }}]}
      - {key: app.kubernetes.io/component, operator: In, values: [cainjector, controller, webhook]}
    endpoints: [{targetPort: http-metrics, path: /metrics, interval: {{ $v.prometheus.servicemonitor.interval }}}]
{{- $ca := dict "cert-manager.io/inject-ca-from-secret" (printf "%s/%s-webhook-ca" .Release.Namespace $name) }}
webhooks:
  mutating:
    kind: Mutating
    name: {{ $name }}-webhook
    annotations: {{ merge (dict) $v.webhook.mutatingWebhookConfigurationAnnotations $ca | toJson }}
    hooks:
      webhook.cert-manager.io:
        {{- include "webhook" (dict "root" . "path" "/mutate") | nindent 8 }}
        rules: [{apiGroups: [cert-manager.io], apiVersions: [v1], operations: [CREATE], resources: [certificaterequests]}]
  validating:
    kind: Validating
    name: {{ $name }}-webhook
    annotations: {{ merge (dict) $v.webhook.validatingWebhookConfigurationAnnotations $ca | toJson }}
    hooks:
      webhook.cert-manager.io:
        {{- include "webhook" (dict "root" . "path" "/validate") | nindent 8 }}
        rules: [{apiGroups: [cert-manager.io, acme.cert-manager.io], apiVersions: [v1], operations: [CREATE, UPDATE], resources: ["*/*"]}]
        namespaceSelector: {matchExpressions: [{key: cert-manager.io/disable-validation, operator: NotIn, values: ["true"]}]}
{{- if $v.crds.enabled }}
crdAnnotations: {{ $v.crds.keep | ternary (dict "helm.sh/resource-policy" "keep") dict | toJson }}
crds:
  acme.cert-manager.io: {Challenge: {}, Order: {}}
  cert-manager.io: {CertificateRequest: {}, Certificate: {}, ClusterIssuer: {scope: Cluster}, Issuer: {}}
{{- end }}
{{- end -}}

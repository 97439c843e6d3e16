{{- define "istiod" -}}istiod{{ with .Values.revision }}-{{ . }}{{ end }}{{- end -}}

{{- define "mesh" -}}
trustDomain: cluster.local
rootNamespace: {{ .Release.Namespace }}
defaultProviders: {metrics: [prometheus]}
defaultConfig:
  discoveryAddress: {{ include "istiod" . }}.{{ .Release.Namespace }}.svc:15012
  {{- if eq .Values.profile "ambient" }}
  image: {imageType: distroless}
  proxyMetadata: {ISTIO_META_ENABLE_HBONE: "true"}
serviceScopeConfigs:
- {scope: GLOBAL, servicesSelector: {matchExpressions: [{key: istio.io/global, operator: In, values: ["true"]}]}}
  {{- end }}
{{- end -}}

{{- define "injector" -}}
clientConfig: {service: {name: {{ include "istiod" . }}, namespace: {{ .Release.Namespace }}, path: /inject, port: 443}}
rules: [{operations: [CREATE], apiGroups: [""], apiVersions: [v1], resources: [pods]}]
failurePolicy: Fail
reinvocationPolicy: Never
{{- end -}}

{{- define "model" -}}
{{- $v := .Values }}
{{- $name := include "istiod" . }}
{{- $suffix := trimPrefix "istiod" $name }}
{{- $revision := $v.revision | default "default" }}
{{- $ambient := eq $v.profile "ambient" }}
{{- include "lib.refuse" (list (not (has $v.profile (list "" "ambient"))) (printf "profile %s" $v.profile)) }}
{{- $images := dict "tag" .Chart.AppVersion "variant" ($ambient | ternary "distroless" "") }}
{{- $selector := dict "istio" "pilot" }}
{{- if $v.revision }}{{ $selector = dict "app" "istiod" "istio.io/rev" $revision }}{{ end }}
{{- $here := printf "{key: istio.io/rev, operator: In, values: [%s]}" $revision }}
{{- $noRevision := "{key: istio.io/rev, operator: DoesNotExist}" }}
{{- $noInjection := "{key: istio-injection, operator: DoesNotExist}" }}
{{- $notOff := `{key: sidecar.istio.io/inject, operator: NotIn, values: ["false"]}` }}
accounts: {{ dict $name dict | toJson }}
configs:
  istio{{ $suffix }}:
    data: {mesh: {{ mergeOverwrite (include "mesh" . | fromYaml) $v.meshConfig | toYaml | toJson }}, meshNetworks: "networks: {}"}
  istio-sidecar-injector{{ $suffix }}: {data: {values: {{ dict "global" (merge $images $v.global) | toJson | toJson }}}}
services:
  {{ $name }}:
    labels: {app: istiod, istio: pilot, istio.io/rev: {{ $revision }}}
    selector: {{ merge (dict "app" "istiod") $selector | toJson }}
    ports: {grpc-xds: 15010, https-dns: 15012, https-webhook: 443:15017, http-monitoring: 15014}
workloads:
  {{ $name }}:
    replicas: {{ $v.autoscaleEnabled | ternary nil $v.replicaCount | toJson }}
    selector: {{ toJson $selector }}
    podLabels:
      {app: istiod, istio: {{ empty $v.revision | ternary "pilot" "istiod" }}, istio.io/rev: {{ $revision }}, sidecar.istio.io/inject: "false"}
    podAnnotations: {{ toJson $v.podAnnotations }}
    containers:
      discovery:
        image: {{ $v.global.hub }}/pilot:{{ .Chart.AppVersion }}{{ $ambient | ternary "-distroless" "" }}
        env:
        - {name: REVISION, value: {{ $revision }}}
        {{- if $ambient }}
        - {name: PILOT_ENABLE_AMBIENT, value: "true"}
        {{- end }}
        {{- $hardened := merge (dict "runAsNonRoot" true) (include "lib.hardened" . | fromYaml) }}
        securityContext: {{ empty $v.seccompProfile | ternary $hardened (merge (dict "seccompProfile" $v.seccompProfile) $hardened) | toJson }}
        readinessProbe: {httpGet: {path: /ready, port: 8080}, initialDelaySeconds: 1, periodSeconds: 3, timeoutSeconds: 5}
        resources: {{ toJson $v.resources }}
        ports: {http-debug: 8080, grpc-xds: 15010, tls-xds: 15012, https-webhooks: 15017, http-monitoring: 15014}
objects:
  {{ $name }}:
    when: {{ $v.autoscaleEnabled }}
    apiVersion: autoscaling/v2
    kind: HorizontalPodAutoscaler
    spec: {maxReplicas: 5, minReplicas: 1, scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: {{ $name }}}}
webhooks:
  istio-validator{{ $suffix }}-{{ .Release.Namespace }}:
    kind: Validating
    hooks:
      rev.validation.istio.io:
        clientConfig: {service: {name: {{ $name }}, namespace: {{ .Release.Namespace }}, path: /validate}}
        rules:
        - operations: [CREATE, UPDATE]
          apiGroups: [security.istio.io, networking.istio.io, telemetry.istio.io, extensions.istio.io]
          apiVersions: ["*"]
          resources: ["*"]
        failurePolicy: {{ $v.base.validationFailurePolicy | default "Ignore" }}
        objectSelector: {matchExpressions: [{{ $here }}]}
  istio-sidecar-injector{{ $suffix }}:
    kind: Mutating
    labels: {app: sidecar-injector, istio.io/rev: {{ $revision }}}
    annotations: {{ toJson $v.sidecarInjectorWebhookAnnotations }}
    hooks:
      rev.namespace.sidecar-injector.istio.io:
        {{- include "injector" . | nindent 8 }}
        namespaceSelector: {matchExpressions: [{{ $here }}, {{ $noInjection }}]}
        objectSelector: {matchExpressions: [{{ $notOff }}]}
      rev.object.sidecar-injector.istio.io:
        {{- include "injector" . | nindent 8 }}
        namespaceSelector: {matchExpressions: [{{ $noRevision }}, {{ $noInjection }}]}
        objectSelector: {matchExpressions: [{{ $notOff }}, {{ $here }}]}
      {{- if not $v.revision }}
      namespace.sidecar-injector.istio.io:
        {{- include "injector" . | nindent 8 }}
        namespaceSelector: {matchExpressions: [{key: istio-injection, operator: In, values: [enabled]}]}
        objectSelector: {matchExpressions: [{{ $notOff }}]}
      object.sidecar-injector.istio.io:
        {{- include "injector" . | nindent 8 }}
        namespaceSelector: {matchExpressions: [{{ $noInjection }}, {{ $noRevision }}]}
        objectSelector: {matchExpressions: [{key: sidecar.istio.io/inject, operator: In, values: ["true"]}, {{ $noRevision }}]}
      {{- end }}
{{- end -}}

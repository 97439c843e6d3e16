{{/* One webhook: its name, path and policy, and the operations it sees, on which resource of which version. */}}
{{- define "hook" -}}
{{ index .hook 0 }}:
  clientConfig: {service: {name: {{ .root.Release.Name }}-webhook, namespace: {{ .root.Release.Namespace }}, path: {{ index .hook 1 }}, port: 443}}
  failurePolicy: {{ index .hook 2 }}
  timeoutSeconds: {{ .root.Values.admissionWebhooks.timeoutSeconds }}
  {{- with slice .hook 3 }}
  rules: [{operations: {{ index . 0 | splitList " " | toJson }}, apiGroups: [{{ eq (index . 1) "pods" | ternary "" "opentelemetry.io" | quote }}],
    resources: [{{ index . 1 }}], apiVersions: [{{ index . 2 }}], scope: Namespaced}]
  {{- end }}
{{- end -}}

{{- define "model" -}}
{{- $v := .Values }}
{{- $name := .Release.Name }}
{{- $policy := $v.admissionWebhooks.failurePolicy }}
{{- $selector := "{app.kubernetes.io/name: opentelemetry-operator, app.kubernetes.io/component: controller-manager}" }}
{{- include "lib.refuse" (list (not $v.admissionWebhooks.certManager.enabled) "certManager.enabled: the bundle makes no certificate itself") }}
accounts: {{ dict $name (pick $v "automountServiceAccountToken") | toJson }}
services:
  {{ $name }}: {selector: {{ $selector }}, ports: {metrics: 8443:metrics}}
  {{ $name }}-webhook: {selector: {{ $selector }}, ports: {"-": 443:webhook-server}}
workloads:
  {{ $name }}:
    replicas: {{ $v.replicaCount }}
    selector: {{ $selector }}
    podAnnotations: {{ toJson $v.manager.podAnnotations }}
    pod:
      automountServiceAccountToken: {{ $v.automountServiceAccountToken }}
      hostNetwork: false
      securityContext: {fsGroup: 65532, runAsGroup: 65532, runAsNonRoot: true, runAsUser: 65532}
    containers:
      manager:
        imagePullPolicy: {{ $v.manager.image.imagePullPolicy }}
        securityContext: {{ toJson $v.manager.securityContext }}
        livenessProbe: {httpGet: {path: /healthz, port: 8081}, initialDelaySeconds: 15, periodSeconds: 20}
        readinessProbe: {httpGet: {path: /readyz, port: 8081}, initialDelaySeconds: 5, periodSeconds: 10}
        image: {{ $v.manager.image.repository }}:{{ .Chart.AppVersion }}
        args:
        - --collector-image={{ $v.manager.collectorImage.repository }}:{{ $v.manager.collectorImage.tag }}
        {{- with $v.manager.opampBridgeImage }}{{ if .repository }}
        - --operator-opamp-bridge-image={{ .repository }}:{{ .tag }}
        {{- end }}{{ end }}
        {{- with $v.manager.targetAllocatorImage }}{{ if .repository }}
        - --target-allocator-image={{ .repository }}:{{ .tag }}
        {{- end }}{{ end }}
        {{- if $v.manager.autoInstrumentation.go.enabled }}
        - --enable-go-instrumentation
        {{- end }}
        {{- range $language, $image := $v.manager.autoInstrumentationImage }}
        - --auto-instrumentation-{{ kebabcase $language }}-image={{ .repository }}:{{ .tag }}
        {{- end }}
        resources: {{ toJson $v.manager.resources }}
        ports: {metrics: 8443, webhook-server: 9443}
        volumeMounts:
        - {name: cert, mountPath: /tmp/k8s-webhook-server/serving-certs, readOnly: true}
        {{- if not $v.automountServiceAccountToken }}
        - {name: access-token, mountPath: /var/run/secrets/kubernetes.io/serviceaccount, readOnly: true}
        {{- end }}
    volumes:
    - {name: cert, secret: {secretName: {{ $name }}-controller-manager-service-cert, defaultMode: 420}}
    {{- if not $v.automountServiceAccountToken }}
    - name: access-token
      projected:
        defaultMode: 420
        sources:
        - serviceAccountToken: {expirationSeconds: 3607, path: token}
        - configMap: {name: kube-root-ca.crt, items: [{key: ca.crt, path: ca.crt}]}
        - downwardAPI: {items: [{path: namespace, fieldRef: {apiVersion: v1, fieldPath: metadata.namespace}}]}
    {{- end }}
monitors:
  {{ $name }}:
    when: {{ $v.manager.serviceMonitor.enabled }}
    labels: {{ toJson $v.manager.serviceMonitor.extraLabels }}
    selector: {matchLabels: {{ $selector }}}
    namespaceSelector: {matchNames: [{{ .Release.Namespace }}]}
    endpoints:
    - {port: metrics, scheme: https, tlsConfig: {insecureSkipVerify: true}, bearerTokenFile: /var/run/secrets/kubernetes.io/serviceaccount/token}
objects:
  {{ $name }}-serving-cert:
    apiVersion: cert-manager.io/v1
    kind: Certificate
    spec:
      dnsNames: ["{{ $name }}-webhook.{{ .Release.Namespace }}.svc", "{{ $name }}-webhook.{{ .Release.Namespace }}.svc.cluster.local"]
      issuerRef: {kind: Issuer, name: {{ $name }}-selfsigned-issuer}
      secretName: {{ $name }}-controller-manager-service-cert
  {{ $name }}-selfsigned-issuer: {apiVersion: cert-manager.io/v1, kind: Issuer, spec: {selfSigned: {}}}
{{- $write := "CREATE UPDATE" }}
{{- $instrumentation := "opentelemetry-io-v1alpha1-instrumentation" }}
{{- $collector := "opentelemetry-io-v1beta1-opentelemetrycollector" }}
{{- $hooks := dict "Mutating" (list
    (list "minstrumentation.kb.io" (printf "/mutate-%s" $instrumentation) $policy $write "instrumentations" "v1alpha1")
    (list "mopentelemetrycollectorbeta.kb.io" (printf "/mutate-%s" $collector) $policy $write "opentelemetrycollectors" "v1beta1")
    (list "mpod.kb.io" "/mutate-v1-pod" $v.admissionWebhooks.pods.failurePolicy "CREATE" "pods" "v1"))
  "Validating" (list
    (list "vinstrumentationcreateupdate.kb.io" (printf "/validate-%s" $instrumentation) $policy $write "instrumentations" "v1alpha1")
    (list "vinstrumentationdelete.kb.io" (printf "/validate-%s" $instrumentation) "Ignore" "DELETE" "instrumentations" "v1alpha1")
    (list "vopentelemetrycollectorcreateupdatebeta.kb.io" (printf "/validate-%s" $collector) $policy $write "opentelemetrycollectors" "v1beta1")
    (list "vopentelemetrycollectordeletebeta.kb.io" (printf "/validate-%s" $collector) "Ignore" "DELETE" "opentelemetrycollectors" "v1beta1")) }}
webhooks:
  {{- range $kind, $list := $hooks }}
  {{ $name }}-{{ eq $kind "Mutating" | ternary "mutation" "validation" }}:
    kind: {{ $kind }}
    annotations: {cert-manager.io/inject-ca-from: {{ $.Release.Namespace }}/{{ $name }}-serving-cert}
    hooks:
      {{- range $list }}
      {{- include "hook" (dict "root" $ "hook" .) | nindent 6 }}
      {{- end }}
  {{- end }}
{{- if $v.crds.create }}
crdAnnotations: {{ toJson .Values.crds.annotations }}
crds:
  opentelemetry.io:
    Instrumentation: {versions: [v1alpha1]}
    OpAMPBridge: {versions: [v1alpha1]}
    OpenTelemetryCollector: {versions: [v1beta1, v1alpha1]}
    TargetAllocator: {versions: [v1alpha1]}
{{- end }}
{{- end -}}

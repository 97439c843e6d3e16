{{/* Parts of a cluster that the chart finds by Services of its own in kube-system; a cloud hides most of them. */}}
{{- define "cluster" -}}
kubeControllerManager: {name: kube-controller-manager, port: 10257, selector: {component: kube-controller-manager}}
kubeScheduler: {name: kube-scheduler, port: 10259, selector: {component: kube-scheduler}}
kubeEtcd: {name: kube-etcd, port: 2381, selector: {component: etcd}}
kubeProxy: {name: kube-proxy, port: 10249, selector: {k8s-app: kube-proxy}}
coreDns: {name: coredns, port: 9153, selector: {k8s-app: kube-dns}}
{{- end -}}

{{- define "model" -}}
{{- $v := .Values }}
{{- $release := .Release.Name }}
{{- $name := printf "%s-kube-prometheus-stack" $release }}
{{- $here := .Release.Namespace }}
{{- $spec := $v.prometheus.prometheusSpec }}
{{- $quay := $v.global.imageRegistry | default "quay.io" }}
{{- $reloader := $v.prometheusOperator.prometheusConfigReloader.resources }}
{{- $cluster := include "cluster" . | fromYaml }}
{{- $stateMetrics := printf "{app.kubernetes.io/name: kube-state-metrics, app.kubernetes.io/instance: %s}" $release }}
{{- $nodeExporter := printf "{app.kubernetes.io/name: prometheus-node-exporter, app.kubernetes.io/instance: %s}" $release }}
{{- $operator := printf "{app: kube-prometheus-stack-operator, release: %s}" $release }}
{{- $nobody := dict "fsGroup" 65534 "runAsGroup" 65534 "runAsNonRoot" true "runAsUser" 65534 "seccompProfile" (dict "type" "RuntimeDefault") | toJson }}
{{- $node := index $v "prometheus-node-exporter" }}
{{- include "lib.refuse" (list $v.crds.enabled "crds.enabled: the bundle leaves the CRDs to prometheus-operator-crds") }}
{{- include "lib.refuse" (list $v.grafana.enabled "grafana.enabled: the bundle leaves Grafana to the chart grafana") }}
{{- include "lib.refuse" (list $v.prometheusOperator.admissionWebhooks.enabled "admissionWebhooks.enabled: the bundle has no hook Jobs") }}
{{- include "lib.refuse" (list $v.prometheusOperator.tls.enabled "prometheusOperator.tls.enabled needs the admission webhooks' certificate") }}
accounts:
  {{ $name }}-operator: {}
  {{ $name }}-prometheus: {}
  {{ $name }}-alertmanager: {when: {{ $v.alertmanager.enabled }}}
  {{ $release }}-kube-state-metrics: {}
  {{ $release }}-prometheus-node-exporter: {automountServiceAccountToken: false}
services:
  {{ $name }}-operator: {selector: {{ $operator }}, ports: {http: 8080:http}}
  {{ $name }}-prometheus:
    labels: {app: kube-prometheus-stack-prometheus, release: {{ $release }}, self-monitor: "true"}
    selector: {app.kubernetes.io/name: prometheus, operator.prometheus.io/name: {{ $name }}-prometheus}
    ports: {http-web: 9090:9090, reloader-web: 8080:reloader-web@http}
  {{ $name }}-alertmanager:
    when: {{ $v.alertmanager.enabled }}
    labels: {app: kube-prometheus-stack-alertmanager, release: {{ $release }}, self-monitor: "true"}
    selector: {app.kubernetes.io/name: alertmanager, alertmanager: {{ $name }}-alertmanager}
    ports: {http-web: 9093:9093, reloader-web: 8080:reloader-web@http}
  {{ $release }}-kube-state-metrics: {selector: {{ $stateMetrics }}, ports: {http: 8080:http}}
  {{ $release }}-prometheus-node-exporter: {selector: {{ $nodeExporter }}, ports: {http-metrics: 9100:9100}}
  {{- range $switch, $part := $cluster }}
  {{ $name }}-{{ .name }}:
    when: {{ index $v $switch "enabled" }}
    namespace: kube-system
    labels: {app: kube-prometheus-stack-{{ .name }}, release: {{ $release }}, jobLabel: {{ .name }}}
    clusterIP: None
    selector: {{ toJson .selector }}
    ports: {http-metrics: "{{ .port }}:{{ .port }}"}
  {{- end }}
workloads:
  {{ $name }}-operator:
    replicas: 1
    selector: {{ $operator }}
    podAnnotations: {{ toJson $v.prometheusOperator.podAnnotations }}
    pod: {automountServiceAccountToken: true, securityContext: {{ $nobody }}}
    containers:
      kube-prometheus-stack:
        imagePullPolicy: {{ $v.prometheusOperator.image.pullPolicy }}
        securityContext: {{ include "lib.hardened" . }}
        livenessProbe: &health {httpGet: {path: /healthz, port: http, scheme: HTTP}, initialDelaySeconds: 0, periodSeconds: 10, timeoutSeconds: 1,
          successThreshold: 1, failureThreshold: 3}
        readinessProbe: *health
        image: {{ $quay }}/prometheus-operator/prometheus-operator:{{ .Chart.AppVersion }}
        args:
        - --prometheus-config-reloader={{ $quay }}/prometheus-operator/prometheus-config-reloader:{{ .Chart.AppVersion }}
        - --thanos-default-base-image={{ $quay }}/thanos/thanos:v0.42.4
        {{- range $what := list "request" "limit" }}
        {{- range $unit := list "cpu" "memory" }}
        - --config-reloader-{{ $unit }}-{{ $what }}={{ dig (printf "%ss" $what) $unit 0 $reloader }}
        {{- end }}
        {{- end }}
        resources: {{ toJson $v.prometheusOperator.resources }}
        ports: {http: 8080}
  {{ $release }}-kube-state-metrics:
    replicas: 1
    selector: {{ $stateMetrics }}
    podAnnotations: {{ index $v "kube-state-metrics" "podAnnotations" | toJson }}
    pod: {automountServiceAccountToken: true, hostNetwork: false, securityContext: {{ $nobody }}}
    containers:
      kube-state-metrics: {imagePullPolicy: {{ index $v "kube-state-metrics" "image" "pullPolicy" }}, securityContext: {{ include "lib.hardened" . }},
        livenessProbe: {httpGet: {path: /livez, port: http, scheme: HTTP}, initialDelaySeconds: 5, periodSeconds: 10, timeoutSeconds: 5,
          successThreshold: 1, failureThreshold: 3},
        readinessProbe: {httpGet: {path: /readyz, port: metrics, scheme: HTTP}, initialDelaySeconds: 5, periodSeconds: 10, timeoutSeconds: 5,
          successThreshold: 1, failureThreshold: 3}, image: '{{ $v.global.imageRegistry | default "registry.k8s.io" }}/kube-state-metrics/kube-state-metrics:v2.20.0', ports: {http: 8080, metrics: 8081},
        resources: {{ index $v "kube-state-metrics" "resources" | toJson }}}
  {{ $release }}-prometheus-node-exporter:
    kind: DaemonSet
    selector: {{ $nodeExporter }}
    pod: {automountServiceAccountToken: false, hostNetwork: true, hostPID: true, hostIPC: false, securityContext: {{ toJson $node.securityContext }}}
    volumes: [{name: proc, hostPath: {path: /proc}}, {name: sys, hostPath: {path: /sys}}, {name: root, hostPath: {path: /}}]
    containers:
      node-exporter:
        image: '{{ $quay }}/prometheus/node-exporter:v1.12.1-distroless'
        imagePullPolicy: {{ $node.image.pullPolicy }}
        securityContext: {{ toJson $node.containerSecurityContext }}
        livenessProbe: &node {httpGet: {path: /, port: http-metrics, scheme: HTTP}, initialDelaySeconds: 0, periodSeconds: 10, timeoutSeconds: 1,
          successThreshold: 1, failureThreshold: 3}
        readinessProbe: *node
        ports: {http-metrics: 9100}
        resources: {{ toJson $node.resources }}
monitors:
  {{ $name }}-operator:
    selector: {matchLabels: {{ $operator }}}
    namespaceSelector: {matchNames: [{{ $here }}]}
    endpoints: [{port: http, honorLabels: true}]
  {{- range $part, $when := dict "prometheus" true "alertmanager" $v.alertmanager.enabled }}
  {{ $name }}-{{ $part }}:
    when: {{ $when }}
    selector: {matchLabels: {app: kube-prometheus-stack-{{ $part }}, release: {{ $release }}, self-monitor: "true"}}
    namespaceSelector: {matchNames: [{{ $here }}]}
    endpoints: [{port: http-web, path: /metrics}, {port: reloader-web, path: /metrics}]
  {{- end }}
  {{ $release }}-kube-state-metrics: {selector: {matchLabels: {{ $stateMetrics }}}, endpoints: [{port: http, honorLabels: true}]}
  {{ $release }}-prometheus-node-exporter: {selector: {matchLabels: {{ $nodeExporter }}}, endpoints: [{port: http-metrics, scheme: http}]}
  {{ $name }}-kubelet: {selector: {matchLabels: {app.kubernetes.io/name: kubelet, k8s-app: kubelet}}, namespaceSelector: {matchNames: [kube-system]}}
  {{ $name }}-apiserver: {selector: {matchLabels: {component: apiserver, provider: kubernetes}}, namespaceSelector: {matchNames: [default]}}
  {{- range $switch, $part := $cluster }}
  {{ $name }}-{{ .name }}:
    when: {{ index $v $switch "enabled" }}
    selector: {matchLabels: {app: kube-prometheus-stack-{{ .name }}, release: {{ $release }}}}
    namespaceSelector: {matchNames: [kube-system]}
  {{- end }}
objects:
  prometheus:
    apiVersion: monitoring.coreos.com/v1
    kind: Prometheus
    name: {{ $name }}-prometheus
    spec:
      image: {{ $quay }}/prometheus/prometheus:v3.14.0-distroless
      serviceAccountName: {{ $name }}-prometheus
      imagePullPolicy: {{ $spec.image.pullPolicy }}
      securityContext: &pods {fsGroup: 2000, runAsGroup: 2000, runAsNonRoot: true, runAsUser: 1000, seccompProfile: {type: RuntimeDefault}}
      externalUrl: http://{{ $name }}-prometheus.{{ $here }}:9090
      {{- if $v.alertmanager.enabled }}
      alerting: {alertmanagers: [{namespace: {{ $here }}, name: {{ $name }}-alertmanager, port: http-web, pathPrefix: /, apiVersion: v2}]}
      {{- end }}
      {{- include "lib.fields" (pick $spec "podMetadata" "replicas" "retention" "retentionSize" "enableRemoteWriteReceiver" "enableOTLPReceiver" "otlp" "tsdb"
        "enableFeatures" "exemplars" "scrapeInterval" "resources") | indent 6 }}
      {{- include "lib.fields" (dict "storage" $spec.storageSpec) | indent 6 }}
      {{- $own := dict "matchLabels" (dict "release" $release) }}
      {{- range $what := list "serviceMonitor" "podMonitor" "rule" "probe" "scrapeConfig" }}
      {{ $what }}NamespaceSelector: {}
      {{ $what }}Selector: {{ index $spec (printf "%sSelectorNilUsesHelmValues" $what) | ternary $own dict | toJson }}
      {{- end }}
  alertmanager:
    when: {{ $v.alertmanager.enabled }}
    apiVersion: monitoring.coreos.com/v1
    kind: Alertmanager
    name: {{ $name }}-alertmanager
    spec:
      image: {{ $quay }}/prometheus/alertmanager:v0.34.0
      serviceAccountName: {{ $name }}-alertmanager
      imagePullPolicy: {{ $v.alertmanager.alertmanagerSpec.image.pullPolicy }}
      securityContext: *pods
      externalUrl: http://{{ $name }}-alertmanager.{{ $here }}:9093
      {{- include "lib.fields" (pick $v.alertmanager.alertmanagerSpec "replicas" "retention" "resources" "storage" "secrets") | indent 6 }}
  alertmanager-{{ $name }}-alertmanager:
    when: {{ $v.alertmanager.enabled }}
    apiVersion: v1
    kind: Secret
    data: {alertmanager.yaml: {{ toYaml $v.alertmanager.config | b64enc }}}
{{- end -}}

{{- define "model" -}}
crdAnnotations: {{ toJson .Values.crds.annotations }}
crds:
  monitoring.coreos.com:
    AlertmanagerConfig: {versions: [v1alpha1]}
    Alertmanager: {}
    PodMonitor: {}
    Probe: {}
    PrometheusAgent: {versions: [v1alpha1]}
    Prometheus: {plural: prometheuses}
    PrometheusRule: {}
    ScrapeConfig: {versions: [v1alpha1]}
    ServiceMonitor: {}
    ThanosRuler: {}
{{- end -}}

{{- define "model" -}}
{{- $istiod := .Values.defaultRevision | eq "default" | ternary "istiod" (printf "istiod-%s" .Values.defaultRevision) }}
accounts: {istio-reader-service-account: {}}
webhooks:
  istiod-default-validator:
    kind: Validating
    labels: {app: istiod, istio.io/rev: {{ .Values.defaultRevision }}}
    hooks:
      validation.istio.io:
        clientConfig: {service: {name: {{ $istiod }}, namespace: {{ .Release.Namespace }}, path: /validate}}
        rules:
        - operations: [CREATE, UPDATE]
          apiGroups: [security.istio.io, networking.istio.io, telemetry.istio.io, extensions.istio.io]
          apiVersions: ["*"]
          resources: ["*"]
        failurePolicy: {{ .Values.base.validationFailurePolicy | default "Ignore" }}
crdAnnotations: {helm.sh/resource-policy: keep}
crds:
  extensions.istio.io:
    TrafficExtension: {versions: [v1alpha1]}
    WasmPlugin: {versions: [v1alpha1]}
  networking.istio.io:
    DestinationRule: {versions: [v1, v1alpha3, v1beta1]}
    EnvoyFilter: {versions: [v1alpha3]}
    Gateway: {versions: [v1, v1alpha3, v1beta1]}
    ProxyConfig: {versions: [v1beta1]}
    ServiceEntry: {plural: serviceentries, versions: [v1, v1alpha3, v1beta1]}
    Sidecar: {versions: [v1, v1alpha3, v1beta1]}
    VirtualService: {versions: [v1, v1alpha3, v1beta1]}
    WorkloadEntry: {plural: workloadentries, versions: [v1, v1alpha3, v1beta1]}
    WorkloadGroup: {versions: [v1, v1alpha3, v1beta1]}
  security.istio.io:
    AuthorizationPolicy: {plural: authorizationpolicies, versions: [v1, v1beta1]}
    PeerAuthentication: {versions: [v1, v1beta1]}
    RequestAuthentication: {versions: [v1, v1beta1]}
  telemetry.istio.io:
    Telemetry: {plural: telemetries, versions: [v1alpha1, v1]}
{{- end -}}

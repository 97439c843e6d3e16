{{- define "model" -}}
{{- $istiod := printf "istiod%s.istio-system.svc:15012" (empty .Values.revision | ternary "" (printf "-%s" .Values.revision)) }}
accounts: {{ dict .Release.Name dict | toJson }}
workloads:
  {{ .Release.Name }}:
    kind: DaemonSet
    selector: {app: ztunnel}
    podLabels: {sidecar.istio.io/inject: "false", istio.io/dataplane-mode: none}
    pod: {priorityClassName: system-node-critical}
    containers:
      istio-proxy:
        image: {{ .Values.hub }}/ztunnel:{{ .Chart.AppVersion }}{{ .Values.profile | eq "ambient" | ternary "-distroless" "" }}
        env: [{name: CA_ADDRESS, value: {{ quote $istiod }}}, {name: XDS_ADDRESS, value: {{ quote $istiod }}}]
        resources: {{ toJson .Values.resources }}
        ports: {ztunnel-stats: 15020}
{{- end -}}

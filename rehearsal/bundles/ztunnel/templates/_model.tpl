{{- define "model" -}}
{{- $istiod := printf "istiod%s.istio-system.svc:15012" (empty .Values.revision | ternary "" (printf "-%s" .Values.revision)) }}
accounts: {{ dict .Release.Name dict | toJson }}
workloads:
  {{ .Release.Name }}:
    kind: DaemonSet
    selector: {app: ztunnel}
    podLabels: {sidecar.istio.io/inject: "false", istio.io/dataplane-mode: none}
    pod: {priorityClassName: system-node-critical}
    volumes: [{name: cni-ztunnel-sock-dir, hostPath: {path: /var/run/ztunnel, type: DirectoryOrCreate}}, {name: tmp, emptyDir: {}}]
    containers:
      istio-proxy:
        image: {{ .Values.hub }}/ztunnel:{{ .Chart.AppVersion }}{{ .Values.profile | eq "ambient" | ternary "-distroless" "" }}
        env: [{name: CA_ADDRESS, value: {{ quote $istiod }}}, {name: XDS_ADDRESS, value: {{ quote $istiod }}}]
        imagePullPolicy: {{ .Values.imagePullPolicy }}
        securityContext: {allowPrivilegeEscalation: true, privileged: false, capabilities: {drop: [ALL], add: [NET_ADMIN, SYS_ADMIN, NET_RAW]},
          readOnlyRootFilesystem: true, runAsGroup: 1337, runAsNonRoot: false, runAsUser: 0}
        readinessProbe: {httpGet: {port: 15021, path: /healthz/ready}}
        resources: {{ toJson .Values.resources }}
        ports: {ztunnel-stats: 15020}
{{- end -}}

{{- define "model" -}}
{{- $ambient := eq .Values.profile "ambient" }}
{{- include "lib.refuse" (list (not (has .Values.profile (list "" "ambient"))) (printf "profile %s" .Values.profile)) }}
accounts: {istio-cni: {}}
configs:
  istio-cni-config: {data: {CURRENT_AGENT_VERSION: {{ .Chart.AppVersion }}, AMBIENT_ENABLED: {{ quote $ambient }}}}
workloads:
  istio-cni-node:
    kind: DaemonSet
    selector: {k8s-app: istio-cni-node}
    podLabels: {sidecar.istio.io/inject: "false", istio.io/dataplane-mode: none}
    podAnnotations: {{ toJson .Values.podAnnotations }}
    account: istio-cni
    pod: {priorityClassName: system-node-critical}
    volumes:
    - {name: cni-bin-dir, hostPath: {path: /opt/cni/bin}}
    - {name: cni-host-procfs, hostPath: {path: /proc, type: Directory}}
    {{- if $ambient }}
    - {name: cni-ztunnel-sock-dir, hostPath: {path: /var/run/ztunnel, type: DirectoryOrCreate}}
    {{- end }}
    - {name: cni-net-dir, hostPath: {path: /etc/cni/net.d}}
    - {name: cni-socket-dir, hostPath: {path: /var/run/istio-cni}}
    - {name: cni-netns-dir, hostPath: {path: /var/run/netns, type: DirectoryOrCreate}}
    containers:
      install-cni:
        image: {{ .Values.global.hub }}/install-cni:{{ .Chart.AppVersion }}{{ $ambient | ternary "-distroless" "" }}
        imagePullPolicy: {{ .Values.pullPolicy }}
        securityContext:
          {privileged: false, runAsGroup: 0, runAsUser: 0, runAsNonRoot: false,
            capabilities: {drop: [ALL], add: [NET_ADMIN, NET_RAW, SYS_PTRACE, SYS_ADMIN, DAC_OVERRIDE]}
            {{- with .Values.seccompProfile }}, seccompProfile: {{ toJson . }}{{ end }}}
        readinessProbe: {httpGet: {path: /readyz, port: 8000}}
        envFrom: [{configMapRef: {name: istio-cni-config}}]
        resources: {{ toJson .Values.resources }}
        ports: {metrics: 15014}
{{- end -}}

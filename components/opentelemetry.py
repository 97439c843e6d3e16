"""The telemetry pipeline: the OpenTelemetry operator, the collector every signal passes, and auto-instrumentation of applications."""

from __future__ import annotations

from typing import Any

from pulumi import Resource, ResourceOptions
from pulumi_kubernetes.core.v1 import NamespacePatch, ServiceAccount
from pulumi_kubernetes.meta.v1 import ObjectMetaArgs, ObjectMetaPatchArgs
from pulumi_kubernetes.rbac.v1 import ClusterRole, ClusterRoleBinding, RoleRefArgs, SubjectArgs

from components import images, mesh_records, otlp_tls, tail_sampling
from components.availability import ONE_AT_A_TIME, scattered
from components.cert_manager import API_SERVER_BY_NAME
from components.charts import values_file
from components.layer import PRIVILEGED, LayerArgs
from components.merge import merge
from components.otlp_tls import Trusting
from components.presets import replicas, resources
from components.script_job import HARDENED, POD
from components.settings import Settings
from components.topology import ServiceAccount as AccountAddress
from components.topology import Topology

COMPONENT = "opentelemetry-collector"
COLLECTOR_IMAGE = "ghcr.io/open-telemetry/opentelemetry-collector-releases/opentelemetry-collector-k8s:0.158.0"
"""The collector's distribution for Kubernetes, in the operator's version. Said although the locked operator chart has the same default:
an operator of the cluster's own may default to a distribution without the processors used here."""


def values(settings: Settings) -> dict[str, Any]:
    """Helm values of the chart opentelemetry-operator."""
    count = replicas("otel-operator", settings.preset)
    labels = {"app.kubernetes.io/name": "opentelemetry-operator", "app.kubernetes.io/component": "controller-manager"}
    derived: dict[str, Any] = {
        "replicaCount": count,  # one leads, all serve the webhooks
        "manager": {"resources": resources("otel-operator", settings.preset)},
        "testFramework": {"resources": resources("gate", settings.preset)},  # pods that `helm test` alone makes
        **scattered(count, labels),
    }
    if count > 1:
        derived["pdb"] = {"create": True, "minAvailable": "", **ONE_AT_A_TIME}  # the chart takes one of the two
    if settings.opentelemetry.go:
        derived["manager"]["autoInstrumentation"] = {"go": {"enabled": True}}
    return merge(values_file("opentelemetry-operator"), derived)


def trace_store(topology: Topology) -> dict[str, Any]:
    """How a collector sends to the trace store."""
    return {"endpoint": topology.tempo_otlp.authority, "tls": {"insecure": True}}


def collector_config(topology: Topology) -> dict[str, Any]:
    """The collector's own configuration: OTLP in; traces to Tempo or to where they are decided on, logs to Loki, metrics to Prometheus."""
    # `otlp` and `otlphttp` are the old names of these exporters, deprecated since collector 0.144
    traces, to_traces = "otlp_grpc/tempo", trace_store(topology)
    if topology.tail_otlp is not None:
        traces, to_traces = tail_sampling.EXPORTER, tail_sampling.exporter(topology.tail_otlp)

    tls = {"tls": otlp_tls.receiver_tls()} if topology.otlp_grpc.scheme == "https" else {}

    def pipeline(exporter: str, *processors: str) -> dict[str, Any]:
        # memory_limiter stands first, so that what is refused is refused before it costs memory; what asks for the connection, before batch
        return {"receivers": ["otlp"], "processors": ["memory_limiter", *processors, "batch"], "exporters": [exporter]}

    return {
        "receivers": {
            "otlp": {
                "protocols": {
                    "grpc": {"endpoint": f"0.0.0.0:{topology.otlp_grpc.port}", **tls},
                    "http": {"endpoint": f"0.0.0.0:{topology.otlp_http.port}", **tls},
                }
            }
        },
        "processors": {
            "memory_limiter": {"check_interval": "1s", "limit_percentage": 75, "spike_limit_percentage": 15},
            "batch": {"send_batch_size": 8192, "timeout": "200ms"},
            mesh_records.POD_LOOKUP: mesh_records.pod_lookup(),
            mesh_records.LABELS_LOOKUP: mesh_records.labels_lookup(),
        },
        "exporters": {
            traces: to_traces,
            "otlp_http/loki": {"endpoint": f"{topology.loki.url}/otlp"},
            "otlp_http/prometheus": {"endpoint": f"{topology.prometheus.url}/api/v1/otlp"},
        },
        "extensions": {"health_check": {"endpoint": "0.0.0.0:13133"}},
        "service": {
            "extensions": ["health_check"],
            "pipelines": {
                "traces": pipeline(traces, mesh_records.POD_LOOKUP),
                # SDKs alone send metrics here, and the operator has told each whose they are
                "metrics": pipeline("otlp_http/prometheus"),
                "logs": pipeline("otlp_http/loki", *mesh_records.PROCESSORS),
            },
        },
    }


def collector_replicas(settings: Settings) -> int:
    """How many collectors run: what settings say, or else the preset."""
    return settings.opentelemetry.collector_replicas or replicas("collector", settings.preset)


def collector_spec(settings: Settings, topology: Topology) -> dict[str, Any]:
    """Spec of the OpenTelemetryCollector (v1beta1) that everybody sends to."""
    spec = _spec(settings, topology, topology.collector, collector_replicas(settings), collector_config(topology))
    return spec | {
        "serviceAccount": topology.collector_account.name,
        "podAnnotations": dict(API_SERVER_BY_NAME),  # where it looks pods up
        "resources": resources("collector", settings.preset),
        **(otlp_tls.collector_fields(topology) if settings.opentelemetry.tls else {}),
    }


def tail_spec(settings: Settings, topology: Topology) -> dict[str, Any] | None:
    """Spec of the one that decides which traces are kept; None without tail sampling."""
    chosen = settings.telemetry.tail_sampling
    if chosen is None:
        return None
    config = tail_sampling.config(settings, topology, chosen, trace_store(topology))
    spec = _spec(settings, topology, topology.tail_collector, tail_sampling.tail_replicas(settings), config)
    return spec | {"resources": resources("tail-collector", settings.preset)}


def _spec(settings: Settings, topology: Topology, name: str, count: int, config: dict[str, Any]) -> dict[str, Any]:
    """What both have in common."""
    # the operator's own labels: internal/manifests/manifestutils/labels.go, SelectorLabels
    labels = {"app.kubernetes.io/instance": f"{topology.telemetry_namespace}.{name}", "app.kubernetes.io/component": COMPONENT}
    spec: dict[str, Any] = {
        "mode": "deployment",
        "image": images.at(COLLECTOR_IMAGE, settings.image_registry),
        "imagePullPolicy": "Always",
        "podSecurityContext": POD,  # the user is the image's own
        "securityContext": HARDENED,
        "replicas": count,
        "observability": {"metrics": {"enableMetrics": True}},
        "config": config,
        **scattered(count, labels),
    }
    if count > 1:
        spec["podDisruptionBudget"] = ONE_AT_A_TIME
    return spec


def instrumentation_spec(settings: Settings, topology: Topology) -> dict[str, Any]:
    """Spec of the Instrumentation: every language to the collector's OTLP over HTTP, images as the operator pins them."""
    small = resources("instrumentation", settings.preset)
    tls = {"tls": otlp_tls.exporter_tls()} if settings.opentelemetry.tls else {}
    spec: dict[str, Any] = {
        "exporter": {"endpoint": topology.otlp_http.url, **tls},
        "initContainerSecurityContext": HARDENED,
        "propagators": ["tracecontext", "baggage"],
        "sampler": {"type": "parentbased_traceidratio", "argument": f"{settings.opentelemetry.sampling_percentage / 100:g}"},
        # service.name from app.kubernetes.io/name, the same name the mesh gives
        "defaults": {"useLabelsForResourceAttributes": True},
        "env": [
            {"name": "OTEL_EXPORTER_OTLP_PROTOCOL", "value": "http/protobuf"},
            # as often as the mesh is scraped; the SDKs' default, a minute, leaves dashboards behind the traces
            {"name": "OTEL_METRIC_EXPORT_INTERVAL", "value": "15000"},
        ],
        "java": {"resources": small},
        # Node's console.log never reaches the SDK: its logs come from stdout, all of them and once
        "nodejs": {"resourceRequirements": small, "env": [{"name": "OTEL_LOGS_EXPORTER", "value": "none"}]},
        # probes would fill the trace store: the list of paths that make no span, as Python's instrumentation spells it
        "python": {"resourceRequirements": small, "env": [{"name": "OTEL_PYTHON_EXCLUDED_URLS", "value": "healthz,readyz,livez"}]},
        "dotnet": {"resourceRequirements": small},
    }
    if settings.opentelemetry.go:
        spec["go"] = {"resourceRequirements": small}
    return spec


class OpenTelemetry(Trusting):
    """Operator, collector and Instrumentation. Whoever depends on this layer may annotate its pods."""

    token = "pipeline:OpenTelemetry"

    def __init__(self, name: str, args: LayerArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__(name, args, opts)
        settings, topology = args.settings, args.topology
        release = topology.releases.otel_operator
        needs: list[Resource] = [self._namespace(topology.telemetry_namespace)]
        if settings.opentelemetry.source == "install":
            # ready means its certificate is mounted and its webhooks answer: chart 0.122.0 probes /readyz of the webhook server
            needs.append(self._release(release, values(settings), self._namespace(release.namespace)))
        needs += self._pod_readers(topology.collector_account, needs[0])
        if settings.opentelemetry.tls:
            self._encrypt(settings, topology, needs[0])
        # whoever sends finds the other when it is there: what comes before waits in a queue
        for version, kind, resource, spec in (
            ("v1beta1", "OpenTelemetryCollector", topology.tail_collector, tail_spec(settings, topology)),
            ("v1beta1", "OpenTelemetryCollector", topology.collector, collector_spec(settings, topology)),
            ("v1alpha1", "Instrumentation", topology.instrumentation, instrumentation_spec(settings, topology)),
        ):
            if spec is not None:
                self._custom(f"opentelemetry.io/{version}", kind, resource, topology.telemetry_namespace, spec, needs)
        for namespace in settings.opentelemetry.go_exception_namespaces:
            if namespace != topology.sample_namespace:  # that one is ours, and labelled where it is made
                NamespacePatch(
                    f"{namespace}-privileged", metadata=ObjectMetaPatchArgs(name=namespace, labels=PRIVILEGED), opts=self._child()
                )
        self.register_outputs({"otlpGrpc": topology.otlp_grpc.authority, "otlpHttp": topology.otlp_http.url})

    def _encrypt(self, settings: Settings, topology: Topology, namespace: Resource) -> None:
        """The authority, the collector's certificate, and trust in the authority for everybody but the sample, which sees to its own."""
        home = topology.telemetry_namespace
        for kind, name, spec in (
            ("Issuer", otlp_tls.ROOT_ISSUER, {"selfSigned": {}}),
            ("Certificate", otlp_tls.AUTHORITY, otlp_tls.authority_spec()),
            ("Issuer", otlp_tls.AUTHORITY, {"ca": {"secretName": otlp_tls.AUTHORITY}}),
            ("Certificate", otlp_tls.CERTIFICATE, otlp_tls.certificate_spec(topology)),
        ):
            self._custom("cert-manager.io/v1", kind, name, home, spec, [namespace], logical=f"{name}-{kind.lower()}")
        script = self._publisher(topology, namespace)
        places = [home, *settings.opentelemetry.trusting_namespaces]
        rights = [made for place in places for made in self._authority_in(place, topology, namespace)]
        self._published(otlp_tls.AUTHORITY, places, settings, topology, *script, *rights)
        self._published_weekly(settings, topology, *script, *rights)

    def _pod_readers(self, account: AccountAddress, namespace: Resource) -> list[Resource]:
        """The collector's ServiceAccount and its right to look pods up: without it, it never gets ready."""
        name = f"{account.namespace}-{account.name}"
        made = ServiceAccount(
            account.name, metadata=ObjectMetaArgs(name=account.name, namespace=account.namespace), opts=self._child(namespace)
        )
        role = ClusterRole(name, metadata=ObjectMetaArgs(name=name), rules=mesh_records.pod_lookup_rules(), opts=self._child())
        binding = ClusterRoleBinding(
            name,
            metadata=ObjectMetaArgs(name=name),
            role_ref=RoleRefArgs(api_group="rbac.authorization.k8s.io", kind="ClusterRole", name=name),
            subjects=[SubjectArgs(kind="ServiceAccount", name=account.name, namespace=account.namespace)],
            opts=self._child(role, made),
        )
        return [made, binding]

"""The stack: settings, names, one line per layer, outputs."""

import pulumi
from pulumi import ResourceOptions
from pulumi_kubernetes import Provider

from components import config, topology
from components.alloy import Alloy
from components.azurite import Azurite
from components.cert_manager import CertManager
from components.charts import open_lock
from components.crds import Crds
from components.grafana import Grafana, GrafanaArgs
from components.istio import Istio
from components.layer import LayerArgs
from components.loki import Loki
from components.opentelemetry import OpenTelemetry
from components.prometheus import Prometheus
from components.sample_app import PATH, SampleApp
from components.store import StoreArgs
from components.tempo import Tempo

choices = config.load()
names = topology.plan(choices)
charts = open_lock(choices.chart_lock, choices.chart_mirror)
args = (choices, names, charts)

cluster = Provider(
    "cluster",
    kubeconfig=choices.cluster.kubeconfig,
    context=choices.cluster.context,
    cluster_identifier=pulumi.get_stack(),  # the cluster stays the same one when its kubeconfig is rotated
    enable_config_map_mutable=True,  # a change of data is an update, not a deletion
    enable_secret_mutable=True,
)


def after(*layers: pulumi.Resource) -> ResourceOptions:
    return ResourceOptions(providers=[cluster], depends_on=list(layers))


crds = Crds("definitions", LayerArgs(*args), after())
certificates = CertManager("certificates", LayerArgs(*args), after())
storage = Azurite("storage", LayerArgs(*args), after())
mesh = Istio("mesh", LayerArgs(*args), after())
metrics = Prometheus("metrics", LayerArgs(*args), after(crds))
traces = Tempo("traces", StoreArgs(*args, storage.account_key), after(crds, storage))
logs = Loki("logs", StoreArgs(*args, storage.account_key), after(crds, storage))
pipeline = OpenTelemetry("pipeline", LayerArgs(*args), after(crds, certificates))
shipping = Alloy("shipping", LayerArgs(*args), after(crds))
views = Grafana("views", GrafanaArgs(*args, pulumi.Config().require_secret("grafanaAdminPassword")), after(crds))
sample = SampleApp("sample", LayerArgs(*args), after(crds, *mesh.membership, pipeline))

pulumi.export("grafanaUrl", names.grafana.url)
pulumi.export("otlpGrpcEndpoint", names.otlp_grpc.url)
pulumi.export("otlpHttpEndpoint", names.otlp_http.url)
pulumi.export("sampleUrl", pulumi.Output.concat("http://", mesh.address, PATH))
pulumi.export("chartVersions", charts.versions(names.charts))

"""The stack: settings, names, one line per layer, outputs."""

import pulumi
from pulumi import ResourceOptions

from components import config, network, signals, topology
from components.alerts.layer import Alerts
from components.alloy import Alloy
from components.cert_manager import CertManager
from components.charts import open_lock
from components.cluster import connect
from components.crds import Crds
from components.dashboards import links
from components.dashboards.layer import Dashboards
from components.exposure import Exposure
from components.grafana import Grafana, GrafanaArgs
from components.istio import Istio
from components.layer import LayerArgs
from components.loki import Loki
from components.opentelemetry import OpenTelemetry
from components.otlp_tls import Encryption
from components.prometheus import Prometheus
from components.sample_app import PATH, SampleApp
from components.storage import StorageArgs, storage_layer
from components.store import StoreArgs
from components.tempo import Tempo

choices = config.load()
names = topology.plan(choices, pulumi.get_project(), pulumi.get_stack())
guards = network.guards(choices, signals.require(choices, names))
charts = open_lock(choices.chart_lock, choices.chart_mirror).gathered(names.charts)
args = (choices, names, charts, guards)
cluster = connect(choices, pulumi.get_stack())


def after(*layers: pulumi.Resource) -> ResourceOptions:
    return ResourceOptions(providers=cluster.providers, depends_on=list(layers))


crds = Crds("definitions", LayerArgs(*args), after())
certificates = CertManager("certificates", LayerArgs(*args), after())
storage = storage_layer(choices)("storage", StorageArgs(*args, cluster.issuer), after())
mesh = Istio("mesh", LayerArgs(*args), after())
metrics = Prometheus("metrics", LayerArgs(*args), after(crds))
traces = Tempo("traces", StoreArgs(*args, storage.access), after(crds, storage))
logs = Loki("logs", StoreArgs(*args, storage.access), after(crds, storage))
pipeline = OpenTelemetry("pipeline", LayerArgs(*args), after(crds, certificates))
shipping = Alloy("shipping", LayerArgs(*args), after(crds))
Alerts("watch", LayerArgs(*args), after(crds))
password, client_secret = pulumi.Config().require_secret(config.ADMIN_PASSWORD), pulumi.Config().get_secret(config.ENTRA_CLIENT_SECRET)
views = Grafana("views", GrafanaArgs(*args, password, client_secret), after(crds))
Dashboards("dashboards", LayerArgs(*args), after(views.namespace))
Exposure("entrance", LayerArgs(*args), after(certificates, mesh, views.namespace))
encryption = Encryption("encryption", LayerArgs(*args), after(*mesh.membership, pipeline))
sample = SampleApp("sample", LayerArgs(*args), after(crds, *mesh.membership, pipeline, encryption))

looking = links.outputs(names)
pulumi.export("grafanaUrl", looking["grafanaUrl"])
pulumi.export("meshDashboardUrl", looking["meshDashboardUrl"])
pulumi.export("sloDashboardUrl", looking["sloDashboardUrl"])
pulumi.export("tracesUrl", looking["tracesUrl"])
pulumi.export("logsUrl", looking["logsUrl"])
pulumi.export("otlpGrpcEndpoint", names.otlp_grpc.url)
pulumi.export("otlpHttpEndpoint", names.otlp_http.url)
pulumi.export("sampleUrl", pulumi.Output.concat("http://", mesh.address, PATH))
pulumi.export("chartVersions", charts.versions(names.charts))

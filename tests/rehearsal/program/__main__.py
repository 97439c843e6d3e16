"""A program of the shape of ours, small enough to be run many times: layers that hold a namespace, a release, objects."""

import pulumi
from pulumi import ComponentResource, ResourceOptions
from pulumi_kubernetes import Provider
from pulumi_kubernetes.apps.v1 import Deployment
from pulumi_kubernetes.core.v1 import ConfigMap, Namespace, PersistentVolumeClaim, Secret
from pulumi_kubernetes.helm.v3 import Release, ReleaseArgs

config = pulumi.Config()
target = config.get_object("cluster") or {}
prefix = config.get("prefix") or "small"
provider = Provider(
    "cluster",
    kubeconfig=target.get("kubeconfig"),
    context=target.get("context"),
    enable_config_map_mutable=True,
    enable_secret_mutable=True,
)


class Layer(ComponentResource):
    """A namespace with a release and a ConfigMap after it."""

    def __init__(self, name: str, opts: ResourceOptions) -> None:
        super().__init__("small:part:Layer", name, None, opts)
        self.mine = ResourceOptions(parent=self)
        self.namespace = Namespace(name, metadata={"name": f"{prefix}-{name}"}, opts=self.mine)
        self.release = Release(
            name,
            ReleaseArgs(
                name=name,
                namespace=f"{prefix}-{name}",
                chart="chart",
                version="1.2.3",
                values={"text": config.get("greeting") or ""},
                atomic=True,
                cleanup_on_fail=True,
                timeout=60,
            ),
            opts=self.after(self.namespace),
        )
        self.note = ConfigMap(
            name, metadata={"name": "note", "namespace": f"{prefix}-{name}"}, data={"text": name}, opts=self.after(self.release)
        )
        self.register_outputs({})

    def after(self, *others: pulumi.Resource) -> ResourceOptions:
        return ResourceOptions(parent=self, depends_on=list(others))


def after(*layers: pulumi.Resource) -> ResourceOptions:
    return ResourceOptions(providers=[provider], depends_on=list(layers))


first = Layer("first", after())
second = Layer("second", after(first))
third = Layer("third", after(first))
place = f"{prefix}-second"
secret = Secret(
    "key",
    metadata={"name": "key", "namespace": place},
    string_data={"password": config.require_secret("password")},
    opts=second.after(second.namespace),
)
claim = PersistentVolumeClaim(
    "data",
    metadata={"name": "data", "namespace": place},
    spec={"access_modes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
    opts=second.after(second.namespace),
)
web = Deployment(
    "web",
    metadata={"name": "web", "namespace": place},
    spec={
        "selector": {"match_labels": {"app": "web"}},
        "template": {
            "metadata": {"labels": {"app": "web"}},
            "spec": {
                "containers": [
                    {"name": "web", "image": "example.invalid/web:1", "env_from": [{"secret_ref": {"name": "key"}}]},
                ],
                "volumes": [{"name": "data", "persistent_volume_claim": {"claim_name": "data"}}],
            },
        },
    },
    opts=second.after(secret, claim),
)
match config.get("mistake"):
    case "name":
        ConfigMap("wrong", metadata={"name": "Not_A_Name", "namespace": place}, opts=second.after(second.namespace))
    case "settings":
        from components.errors import ConfigurationError

        raise ConfigurationError(["first.key is 1: at least 2", "second.key is not a key"])
    case "bug":
        raise KeyError("nothing of that name")
pulumi.export("greeting", config.get("greeting"))
pulumi.export("password", config.require_secret("password"))

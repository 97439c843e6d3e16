"""A Release's arguments, and the words of Helm's command line that they become."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from rehearsal.doubles.kubernetes.errors import Refusal

DEFAULT_SECONDS = 300


class Field(NamedTuple):
    """An argument: its type, by the word for it in messages, and its default (None: left out)."""

    word: str
    default: Any

    def accepts(self, value: Any) -> bool:
        """Whether the value is of the type; whole numbers alone count as int."""
        if self.word == "int":
            return isinstance(value, int) and not isinstance(value, bool)
        return isinstance(value, {"bool": bool, "string": str, "map": dict}[self.word])


_BOOLS = (
    "allowNullValues", "atomic", "cleanupOnFail", "createNamespace", "dependencyUpdate", "devel", "disableCRDHooks",
    "disableOpenapiValidation", "disableWebhooks", "forceUpdate", "lint", "recreatePods", "renderSubchartNotes", "replace", "resetValues",
    "reuseValues", "skipAwait", "skipCrds", "verify", "waitForJobs",
)  # fmt: skip
FIELDS: Mapping[str, Field] = {
    **dict.fromkeys(_BOOLS, Field("bool", False)),
    **dict.fromkeys(("chart", "description", "keyring", "name", "namespace", "postrender", "version"), Field("string", "")),
    "timeout": Field("int", 0),
    "maxHistory": Field("int", None),
    "values": Field("map", {}),
    "repositoryOpts": Field("map", None),
}


def _flags(release: dict[str, Any], names: Mapping[str, str]) -> list[str]:
    return [flag for name, flag in names.items() if release[name]]


def _waiting(release: dict[str, Any]) -> list[str]:
    words = ["--timeout", f"{release['timeout'] or DEFAULT_SECONDS}s"]
    if not release["skipAwait"]:
        words += ["--wait", *(["--wait-for-jobs"] if release["waitForJobs"] else [])]
    return words


def chart_words(release: dict[str, Any]) -> list[str]:
    """The chart, and where it comes from."""
    options = release.get("repositoryOpts") or {}
    if options.get("username") or options.get("password"):
        raise Refusal(
            "repositoryOpts.username: the double puts no password on a command line; use `helm repo add` or `helm registry login`"
        )
    chart, repository, words = release["chart"], options.get("repo", ""), []
    if repository and not chart.startswith("oci://"):
        if "://" in repository:
            words += ["--repo", repository]
        elif "/" not in chart:
            chart = f"{repository}/{chart}"
    for key, flag in (("caFile", "--ca-file"), ("certFile", "--cert-file"), ("keyFile", "--key-file")):
        words += [flag, options[key]] if options.get(key) else []
    words += ["--version", release["version"]] if release["version"] else []
    words += _flags(release, {"devel": "--devel", "verify": "--verify"})
    words += ["--keyring", release["keyring"]] if release["keyring"] else []
    return [chart, *words]


def _common(release: dict[str, Any]) -> list[str]:
    words = [*chart_words(release), "--values", "-", *_waiting(release)]
    words += _flags(
        release,
        {
            "atomic": "--atomic",
            "dependencyUpdate": "--dependency-update",
            "disableOpenapiValidation": "--disable-openapi-validation",
            "renderSubchartNotes": "--render-subchart-notes",
        },
    )
    words += ["--description", release["description"]] if release["description"] else []
    words += ["--post-renderer", release["postrender"]] if release["postrender"] else []
    return words


def install_words(release: dict[str, Any]) -> list[str]:
    """`helm install`."""
    own = {"createNamespace": "--create-namespace", "disableWebhooks": "--no-hooks", "replace": "--replace", "skipCrds": "--skip-crds"}
    return ["install", release["name"], *_common(release), "--namespace", release["namespace"], *_flags(release, own)]


def upgrade_words(release: dict[str, Any], namespace: str) -> list[str]:
    """`helm upgrade`."""
    own = {
        "cleanupOnFail": "--cleanup-on-fail",
        "disableCRDHooks": "--no-hooks",
        "forceUpdate": "--force",
        "recreatePods": "--recreate-pods",
        "resetValues": "--reset-values",
        "reuseValues": "--reuse-values",
    }
    history = ["--history-max", str(release.get("maxHistory") or 0)]
    return ["upgrade", release["name"], *_common(release), "--namespace", namespace, *history, *_flags(release, own)]


def uninstall_words(release: dict[str, Any]) -> list[str]:
    """`helm uninstall`, which waits where the install did."""
    waits = release["atomic"] or not release["skipAwait"]
    words = ["--wait", "--timeout", f"{release['timeout'] or DEFAULT_SECONDS}s"] if waits else []
    return ["uninstall", release["name"], "--namespace", release["namespace"], *words]

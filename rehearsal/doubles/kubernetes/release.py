"""kubernetes:helm.sh/v3:Release, by the real Helm."""

import secrets
from typing import Any

from rehearsal.doubles.kubernetes import charts, records
from rehearsal.doubles.kubernetes.cluster import Cluster
from rehearsal.doubles.kubernetes.diff import Change, changes, three_way_patch
from rehearsal.doubles.kubernetes.errors import ApiError, CheckFailed, InitializationFailed, Refusal, Unreachable
from rehearsal.doubles.kubernetes.helm import Helm, HelmFailed
from rehearsal.doubles.kubernetes.host import Host
from rehearsal.doubles.kubernetes.release_flags import (
    DEFAULT_SECONDS,
    FIELDS,
    chart_words,
    install_words,
    uninstall_words,
    upgrade_words,
)
from rehearsal.doubles.kubernetes.requests import Call
from rehearsal.doubles.kubernetes.values import UNKNOWN, Secret, has_unknown, keep_secrets, keep_unknowns, revealed

TYPE = "kubernetes:helm.sh/v3:Release"
_OUTPUTS = ("resourceNames", "status")
_FORCING = (".name", ".namespace")


class Releases:
    """Calls about Releases, on one cluster."""

    def __init__(self, cluster: Cluster, helm: Helm, host: Host) -> None:
        self._cluster = cluster
        self._helm = helm
        self._host = host

    def check(self, call: Call) -> dict[str, Any]:
        """The inputs with defaults, and with the version that the chart has. CheckFailed when there is no such chart."""
        news = dict(call.news)
        if "name" not in news and call.olds:
            news["name"] = call.olds["name"]
        if not news.get("name"):
            news["name"] = f"{call.name}-{secrets.token_hex(4)}"
        if not news.get("namespace"):
            news["namespace"] = self._cluster.default_namespace
        if not news.get("skipAwait"):
            news.setdefault("timeout", DEFAULT_SECONDS)
        release = _typed(_known(news))
        failure = None
        if not has_unknown(news):
            try:
                release["version"] = self._chart_version(release)
                self._cluster.remember_chart(lambda: charts.crds(lambda: self._render(release)))
            except (Refusal, HelmFailed) as error:
                failure = f"{error}; check the chart name and repository configuration."
        checked = keep_unknowns(release, call.news)
        keep_secrets(checked, call.news)
        if failure is not None:
            raise CheckFailed("chart", failure, checked)
        return checked

    def _chart_version(self, release: dict[str, Any]) -> str:
        if not (release.get("repositoryOpts") or {}).get("repo") and charts.is_local(release["chart"]):
            return charts.metadata(release["chart"])["version"]
        return charts.parse(self._helm.run(["show", "chart", *chart_words(release)], on_cluster=False))["version"]

    def _render(self, release: dict[str, Any]) -> str:
        words = ["template", release["name"], *chart_words(release), "--namespace", release["namespace"], "--values", "-"]
        words += ["--skip-crds"] if release["skipCrds"] else ["--include-crds"]
        try:
            return self._helm.run(words, release["values"], on_cluster=False)
        except HelmFailed:
            # The install will say why.
            return ""

    def diff(self, call: Call) -> tuple[dict[str, Change], list[str]]:
        """The changed fields, and the changed arguments."""
        olds, news = dict(call.olds), dict(call.news)
        old_inputs = {key: value for key, value in _inputs_of(olds).items() if key not in ("checksum", "resourceNames")}
        if "version" in call.ignored:
            news["version"] = olds.get("version")
        patch = three_way_patch(_known(old_inputs), _known(news), _known(olds))
        found = changes(patch, revealed(olds), revealed(news), revealed(old_inputs), _FORCING)
        return found, sorted(patch)

    def create(self, call: Call) -> tuple[str, dict[str, Any]]:
        """Installs the release: its id and state."""
        release = _typed(_known(call.news))
        if call.preview:
            return "", _written(call.news, release, None, preview=True)
        self._require_cluster("create")
        identifier = f"{release['namespace']}/{release['name']}"
        try:
            self._helm.run(install_words(release), release["values"])
        except HelmFailed as error:
            record = self._record(release)
            # Without a record, or with that of an earlier release of the name, nothing of this one is there.
            if record is None or "cannot re-use a name that is still in use" in str(error):
                raise _refusal(error) from None
            failed = f'Helm release "{release["name"]}" was created but has a failed status.'
            advice = "Use the `helm` command to investigate the error, correct it, then retry."
            self._host.warn(f"{failed} {advice} Reason: {error}", call.urn)
            raise InitializationFailed(
                f'Helm release "{identifier}" was created, but failed to initialize completely. Use Helm CLI to investigate: '
                f"{_unavailable(release, error)}",
                identifier,
                _written(call.news, release, record),
            ) from None
        return identifier, _written(call.news, release, self._record(release))

    def update(self, call: Call) -> dict[str, Any]:
        """Upgrades the release: its state."""
        release, old = _typed(_known(call.news)), _typed(_known(call.olds))
        if call.preview:
            return _written(call.news, release, None, preview=True)
        self._require_cluster("update")
        before = self._last_revision(old)
        try:
            self._helm.run(upgrade_words(release, old["namespace"]), release["values"])
        except HelmFailed as error:
            record = self._record(release)
            # A revision of its own shows that the upgrade began; otherwise the release is as it was.
            if record is None or record.revision == before:
                raise _refusal(error) from None
            identifier = f"{release['namespace']}/{release['name']}"
            raise InitializationFailed(
                f'Helm release "{identifier}" failed to initialize completely. Use Helm CLI to investigate: '
                f"error running update: {_unavailable(release, error)}",
                identifier,
                _written(call.news, release, record),
            ) from None
        return _written(call.news, release, self._record(release))

    def read(self, call: Call) -> tuple[str, dict[str, Any], dict[str, Any]] | None:
        """Id, state and inputs of the release as it is now; None when it is gone."""
        release = _typed(_known(call.olds))
        if not call.olds:
            release["namespace"], _, release["name"] = call.identifier.rpartition("/")
        record = self._record(release)
        if record is None:
            return None
        inputs = _inputs_of(call.olds)
        if not call.olds:
            # An import: what Helm knows is what was asked for.
            release |= {"chart": record.chart, "values": record.config, "version": record.version, "timeout": DEFAULT_SECONDS}
            inputs = dict(release)
        return call.identifier, _written(inputs, release, record), inputs

    def delete(self, call: Call) -> None:
        """Uninstalls the release."""
        if self._cluster.unreachable:
            raise Refusal(f'can\'t delete Helm Release with unreachable cluster. Reason: "{self._cluster.unreachable}"')
        release = _typed(_known(call.olds))
        try:
            self._helm.run(uninstall_words(release))
        except HelmFailed as error:
            if "release: not found" not in str(error):
                raise _refusal(error) from None
            self._host.warn(f'release "{call.identifier}" was gone already; the real plugin would fail here: {error}', call.urn)

    def _require_cluster(self, action: str) -> None:
        if self._cluster.unreachable:
            raise Refusal(f"can't {action} Helm Release with unreachable cluster: {self._cluster.unreachable}")

    def _record(self, release: dict[str, Any]) -> records.Record | None:
        try:
            return records.last(self._cluster.api, release["namespace"], release["name"])
        except (ApiError, Unreachable) as error:
            raise Refusal(str(error)) from None

    def _last_revision(self, release: dict[str, Any]) -> int:
        try:
            return records.last_revision(self._cluster.api, release["namespace"], release["name"])
        except (ApiError, Unreachable) as error:
            raise Refusal(str(error)) from None


def _known(values: dict[str, Any]) -> Any:
    """Plain values; what is unknown is None."""

    def known(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: known(item) for key, item in value.items()}
        if isinstance(value, list):
            return [known(item) for item in value]
        return None if value is UNKNOWN else value

    return known(revealed(values))


def _typed(values: dict[str, Any]) -> dict[str, Any]:
    """The release's arguments of the right type, with defaults; what the type does not know is dropped, as the real plugin does."""
    release: dict[str, Any] = {}
    for name, field in FIELDS.items():
        value = values.get(name)
        if value is None:
            if field.default is not None:
                release[name] = dict(field.default) if isinstance(field.default, dict) else field.default
            continue
        if not field.accepts(value):
            kind = {"str": "string", "dict": "map", "list": "slice"}.get(type(value).__name__, type(value).__name__)
            raise Refusal(
                f"decoding failure: 1 error(s) decoding:\n\n* '{name}' expected type '{field.word}', got unconvertible type '{kind}', "
                f"value: '{value}'"
            )
        release[name] = value
    return release


def _inputs_of(state: dict[str, Any]) -> dict[str, Any]:
    inputs = state.get("__inputs")
    inputs = inputs.element if isinstance(inputs, Secret) else inputs
    return inputs if isinstance(inputs, dict) else {}


def _written(inputs: dict[str, Any], release: dict[str, Any], record: records.Record | None, *, preview: bool = False) -> dict[str, Any]:
    """The state to keep: all of the inputs are secret in it, as values may be."""
    outputs = dict(release)
    if record is not None:
        outputs |= {
            "values": _merged(release["values"], record.config),
            "version": record.version,
            "resourceNames": record.resource_names,
            "status": record.as_status(),
        }
    outputs = keep_unknowns(outputs, inputs)
    keep_secrets(outputs, inputs)
    if preview:
        outputs |= dict.fromkeys(_OUTPUTS, UNKNOWN)
    return {**outputs, "__inputs": Secret(inputs)}


def _merged(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    result = dict(base)
    for key, value in over.items():
        before = result.get(key)
        result[key] = _merged(before, value) if isinstance(before, dict) and isinstance(value, dict) else value
    return result


def _unavailable(release: dict[str, Any], error: HelmFailed) -> str:
    where = f"Helm Release {release['namespace']}/{release['name']}"
    return f"failed to become available within allocated timeout. Error: {where}: {error}"


def _refusal(error: HelmFailed) -> Refusal:
    text = str(error)
    return Refusal(text, deadline=text.endswith("context deadline exceeded"), cancelled=text.endswith("context canceled"))

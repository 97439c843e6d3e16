"""Kubernetes' Pod Security Standards, level restricted, and a root file system that is read-only: what a pod breaks of it.

Source: https://kubernetes.io/docs/concepts/security/pod-security-standards/
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from policies.pods import Pod

VOLUMES = {"configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret"}
SYSCTLS = {
    "kernel.shm_rmid_forced",
    "net.ipv4.ip_local_port_range",
    "net.ipv4.ip_local_reserved_ports",
    "net.ipv4.ip_unprivileged_port_start",
    "net.ipv4.ping_group_range",
    "net.ipv4.tcp_fin_timeout",
    "net.ipv4.tcp_keepalive_intvl",
    "net.ipv4.tcp_keepalive_probes",
    "net.ipv4.tcp_keepalive_time",
    "net.ipv4.tcp_rmem",
    "net.ipv4.tcp_syncookies",
    "net.ipv4.tcp_wmem",
}
_ADDED = {"NET_BIND_SERVICE"}
_PROFILES = ("RuntimeDefault", "Localhost")
_SELINUX = ("", "container_t", "container_init_t", "container_kvm_t", "container_engine_t")


class Broken(NamedTuple):
    """What a pod or one of its containers breaks."""

    check: str
    container: str
    """Empty for the pod itself."""
    what: str


def broken(pod: Pod) -> Iterator[Broken]:
    """Everything that the level restricted refuses in a pod, by check."""
    own: Mapping[str, Any] = pod.spec.get("securityContext") or {}
    for key in ("hostNetwork", "hostPID", "hostIPC"):
        if pod.spec.get(key):
            yield Broken("host-namespaces", "", f"{key} is true")
    for volume in pod.spec.get("volumes") or ():
        for kind in sorted(set(volume) - {"name"} - VOLUMES):
            yield Broken("host-path" if kind == "hostPath" else "volumes", "", f"volume {volume.get('name')} is of type {kind}")
    for sysctl in own.get("sysctls") or ():
        if sysctl["name"] not in SYSCTLS:
            yield Broken("sysctls", "", f"sysctl {sysctl['name']} is not a safe one")
    for container in pod.containers:
        context = {**own, **(container.body.get("securityContext") or {})}
        yield from _container(container.name, context, container.body)


def _container(name: str, context: Mapping[str, Any], body: Mapping[str, Any]) -> Iterator[Broken]:
    capabilities = context.get("capabilities") or {}
    if context.get("privileged"):
        yield Broken("privileged", name, "privileged is true")
    for port in body.get("ports") or ():
        if port.get("hostPort"):
            yield Broken("host-ports", name, f"port {port['hostPort']} of the node")
    if context.get("allowPrivilegeEscalation") is not False:
        yield Broken("privilege-escalation", name, "allowPrivilegeEscalation is not false")
    if "ALL" not in (capabilities.get("drop") or ()):
        yield Broken("capabilities", name, "capabilities.drop lacks ALL")
    for added in capabilities.get("add") or ():
        if added not in _ADDED:
            yield Broken("capabilities", name, f"capability {added} is added")
    if context.get("runAsNonRoot") is not True:
        yield Broken("run-as-non-root", name, "runAsNonRoot is not true")
    if context.get("runAsUser") == 0:
        yield Broken("run-as-non-root", name, "runAsUser is 0")
    if (context.get("seccompProfile") or {}).get("type") not in _PROFILES:
        yield Broken("seccomp", name, f"seccompProfile is none of {', '.join(_PROFILES)}")
    if (context.get("appArmorProfile") or {}).get("type") == "Unconfined":
        yield Broken("app-armor", name, "appArmorProfile is Unconfined")
    if (context.get("procMount") or "Default") != "Default":
        yield Broken("proc-mount", name, f"procMount is {context['procMount']}")
    if (options := context.get("seLinuxOptions") or {}) and (options.get("type", "") not in _SELINUX or {"user", "role"} & set(options)):
        yield Broken("se-linux", name, "seLinuxOptions leave the container's own type")
    if (context.get("windowsOptions") or {}).get("hostProcess"):
        yield Broken("host-process", name, "hostProcess is true")
    if context.get("readOnlyRootFilesystem") is not True:
        yield Broken("read-only-root", name, "readOnlyRootFilesystem is not true")

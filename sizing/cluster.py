"""What runs reserves, and how many nodes of which size hold it. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from math import ceil
from typing import NamedTuple

from components.capacity import MIB, Load, Need, k
from components.footprint import Workload
from components.presets import PRESETS, size
from sizing.choice import Choice, one_tempo_at_its_greatest
from sizing.data import Environment, Node, Prices


class Row(NamedTuple):
    """One component: how many pods, what they reserve in all, and what the load needs of it."""

    component: str
    pods: int
    cpu: float
    """Cores that are reserved: the preset's requests, or the need where that is more."""
    memory: float
    """MiB, likewise."""
    need: Need | None
    on_every_node: bool


class Cluster:
    """Everything that runs, and what it reserves on a number of nodes."""

    def __init__(self, load: Load, choice: Choice, needs: dict[str, Need], changed_traces: bool) -> None:
        self.needs = needs
        self.changed_traces = changed_traces
        # the stores' blobs are Azure's, whatever the settings of a plan say
        self.workloads = [w for w in choice.running if w.component != "azurite"]
        proxy = {"istio-proxy": size("istio-proxy", choice.settings.preset)}
        if load.pods and choice.settings.istio.mode == "sidecar":
            self.workloads.append(Workload("", "sidecars", "sidecars", load.pods, proxy))
        if load.pods and choice.settings.istio.mode == "ambient":
            self.workloads.append(Workload("", "waypoints", "waypoints", 1, proxy))

    def rows(self, nodes: int) -> Iterator[Row]:
        """What each component reserves on so many nodes."""
        for workload in self.workloads:
            need = self.needs.get(workload.component)
            pods = workload.pods(nodes)
            copies = pods if need and need.whole else 1
            cpu, memory = workload.cpu() * pods / 1000, float(workload.memory() * pods)
            if need:
                cpu, memory = max(cpu, need.cpu * copies), max(memory, need.memory * copies)
            yield Row(workload.component, pods, cpu, memory, need, workload.replicas is None)

    def greatest_pod(self) -> tuple[float, float]:
        """Cores and MiB of the greatest pod, which one node must hold beside its daemons."""
        pods = [self._pod(w) for w in self.workloads if w.replicas]
        if self.changed_traces:
            # nodes stay as great as one Tempo at its greatest needed them: past the change of mode, more load must not cost less
            pods.append(one_tempo_at_its_greatest()[1:3])
        return max(cpu for cpu, _ in pods), max(memory for _, memory in pods)

    def _pod(self, workload: Workload) -> tuple[float, float]:
        need = self.needs.get(workload.component)
        share = 1 if need is None or need.whole else workload.pods(1)
        asked = (need.cpu / share, need.memory / share) if need else (0.0, 0.0)
        return max(workload.cpu() / 1000, asked[0]), max(workload.memory(), asked[1])

    def daemons(self) -> tuple[float, float]:
        """Cores and MiB that the daemons request on each node."""
        each = [w for w in self.workloads if w.replicas is None]
        return sum(w.cpu() for w in each) / 1000, sum(w.memory() for w in each)

    def fewest_nodes(self) -> int:
        """Nodes that replicas need which insist on different ones, and that share what is more than one daemon may ever take."""
        apart = max(w.replicas for w in self.workloads if w.replicas and w.owner in ("loki", "tempo-distributed"))
        daemons = [self.needs[w.component] for w in self.workloads if w.replicas is None and w.component in self.needs]
        limits = [size(need.component, PRESETS[-1]) for need in daemons]
        shared = [max(n.cpu * 1000 / s.cpu_limit, n.memory / s.memory_limit) for n, s in zip(daemons, limits, strict=True)]
        return max(apart, *(ceil(share) for share in shared))


def allocatable(node: Node) -> tuple[float, float]:
    """Cores and MiB that AKS leaves to pods on a node."""
    cpu = node.cpu - (k("aksMillicores") + k("aksMillicoresPerCore") * node.cpu) / 1000
    total = node.memory_gi_b * 1024
    reserved = (k("aksMBPerPod") * k("podsPerNode") + k("aksMB")) * 1e6 / MIB
    return cpu, total - min(reserved, total / 4)


def nodes(cluster: Cluster, environment: Environment, prices: Prices) -> tuple[Node, int, bool]:
    """The cheapest size that holds every pod, and how many of it; False where none holds the greatest pod."""
    candidates = [node for node in prices.nodes if _holds(node, cluster)]
    greatest = max(prices.nodes, key=lambda node: (node.memory_gi_b, node.cpu))
    counted = [(node, _count(node, cluster, environment)) for node in candidates or [greatest]]
    node, count = min(counted, key=lambda pair: (pair[0].per_hour * pair[1], pair[1]))
    return node, count, bool(candidates)


def _holds(node: Node, cluster: Cluster) -> bool:
    return all(room - daemon >= pod for room, daemon, pod in zip(allocatable(node), cluster.daemons(), cluster.greatest_pod(), strict=True))


def _count(node: Node, cluster: Cluster, environment: Environment) -> int:
    """Fewest nodes of a size on which everything fits, daemons included, which each further node brings again.

    It ends: the daemons of any preset take less than the smallest node that the prices may name.
    """
    cpu, memory = (room * k("nodeFill") for room in allocatable(node))
    count = max(environment.nodes, cluster.fewest_nodes())
    while True:
        rows = list(cluster.rows(count))
        missing = max(sum(row.cpu for row in rows) / cpu, sum(row.memory for row in rows) / memory) - count
        if missing <= 0:
            return count
        # at least so many more, for what is missing goes on nodes that bring daemons of their own
        count += max(1, int(missing))

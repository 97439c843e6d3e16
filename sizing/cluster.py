"""What runs reserves, and how many nodes of which size hold it. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil
from typing import NamedTuple

from components.capacity import MIB, Load, Need, k
from components.footprint import Workload
from components.presets import PRESETS, size
from sizing.choice import Choice, one_tempo_at_its_greatest
from sizing.data import Environment, Node, Prices, Survives


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
        self.bare_pods = load.pods if choice.settings.istio.mode == "ambient" else 0
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

    def pods(self, nodes: int) -> int:
        """How many pods there are on so many nodes, the applications' own too, which in ambient mode have nothing of ours in them."""
        return sum(w.pods(nodes) for w in self.workloads) + self.bare_pods

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


@dataclass(frozen=True, slots=True)
class Nodes:
    """How many nodes of one size, and why not fewer."""

    node: Node
    count: int
    why: str
    fits: bool
    """False where no size that has a price holds the greatest pod."""


def nodes(cluster: Cluster, environment: Environment, prices: Prices) -> Nodes:
    """The cheapest size that holds every pod, and how many of it."""
    candidates = [node for node in prices.nodes if _holds(node, cluster)]
    greatest = max(prices.nodes, key=lambda node: (node.memory_gi_b, node.cpu))
    counted = [Nodes(node, *_count(node, cluster, environment), bool(candidates)) for node in candidates or [greatest]]
    return min(counted, key=lambda found: (found.node.per_hour * found.count, found.count))


def _holds(node: Node, cluster: Cluster) -> bool:
    return all(room - daemon >= pod for room, daemon, pod in zip(allocatable(node), cluster.daemons(), cluster.greatest_pod(), strict=True))


def _count(node: Node, cluster: Cluster, environment: Environment) -> tuple[int, str]:
    """Fewest nodes of a size on which everything fits, daemons included, which each further node brings again; and what asked for them.

    It ends: the daemons of any preset take less than two thirds of the smallest node that the prices may name.
    """
    apart = cluster.fewest_nodes()
    count, why = environment.fewest_nodes, "the fewest that the environment has"
    if apart > count:
        count, why = apart, "replicas that must be on different nodes"
    while True:
        short = _missing(node, cluster, environment, count)
        missing, what = max(short)
        if missing <= 0:
            return count, why
        # at least so many more, for what is missing goes on nodes that bring daemons of their own
        count, why = count + max(1, int(missing)), what


def _missing(node: Node, cluster: Cluster, environment: Environment, count: int) -> list[tuple[float, str]]:
    """How many nodes there are too few of, for each thing that fills them, before and after the loss that is survived."""
    cpu, memory = allocatable(node)
    short = []
    for number, fill, loss in ((count, k("nodeFill"), ""), (environment.left(count), k("nodeFillAfterLoss"), _AFTER[environment.survives])):
        rows = list(cluster.rows(number))
        asked = {
            "CPU": sum(row.cpu for row in rows) / cpu / fill,
            "memory": sum(row.memory for row in rows) / memory / fill,
            "number of pods": cluster.pods(number) / k("podsPerNode"),
        }
        short += [(wanted - number, what + loss) for what, wanted in asked.items()]
    return short


_AFTER: dict[Survives, str] = {"nothing": "", "node": " when a node is lost", "zone": " when a zone is lost"}

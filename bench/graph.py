"""What an order of things costs: a dependency graph, its order one after another, and its critical path."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Node:
    """One thing of a graph: what it costs in seconds by itself, and the keys of what must be done before it begins."""

    seconds: float
    needs: frozenset[str]


def order(graph: Mapping[str, Node]) -> list[str]:
    """Every key once, each after all it needs; of those that could come next, the one that the graph names first.

    ValueError where things wait for each other in a circle. What a node needs and the graph does not hold counts as done.
    """
    done: dict[str, None] = {}
    waiting = list(graph)
    while waiting:
        ready = next((key for key in waiting if all(need in done for need in graph[key].needs if need in graph)), None)
        if ready is None:
            raise ValueError(f"these wait for each other: {', '.join(waiting)}")
        done[ready] = None
        waiting.remove(ready)
    return list(done)


def critical_path(graph: Mapping[str, Node]) -> list[str]:
    """The keys of the chain that takes longest, first to last: nobody who runs everything as early as it may is done sooner.

    A chain begins and ends with something that costs time; of chains that cost the same it is the first by `order`.
    """
    best: dict[str, list[str]] = {}
    for key in order(graph):
        before = max((best[need] for need in graph if need in graph[key].needs), key=lambda path: cost(graph, path), default=[])
        best[key] = [*before, key]
    longest = max(best.values(), key=lambda path: cost(graph, path), default=[])
    costly = [number for number, key in enumerate(longest) if graph[key].seconds > 0]
    return longest[costly[0] : costly[-1] + 1] if costly else []


def cost(graph: Mapping[str, Node], path: list[str]) -> float:
    """Seconds of a chain: of each of its nodes, one after another."""
    return sum(graph[key].seconds for key in path)

"""The signal graph: which signal goes from whom to whom, read from what the layers are told, and refused where it leads nowhere.

configured.py collects what carries signals; listeners.py, senders.py, stores.py, monitors.py and views.py read ports, edges, needs and
links from it; reading.py leads each edge to whoever listens there; check.py names what is wrong.
"""

from __future__ import annotations

from components.errors import ConfigurationError
from components.settings import Settings
from components.signals.check import defects
from components.signals.reading import Graph, graph
from components.topology import Topology

__all__ = ["Graph", "defects", "graph", "require"]


def require(settings: Settings, topology: Topology) -> Graph:
    """The signal graph of a stack. Raises ConfigurationError, with one line for each defect, where signals would not find their way."""
    found = graph(settings, topology)
    wrong = defects(found)
    if wrong:
        raise ConfigurationError(f"signals: {line}" for line in wrong)
    return found

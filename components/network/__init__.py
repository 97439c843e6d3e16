"""Who may connect to whom: NetworkPolicies generated from the signal graph, and what proves them.

parts.py says which pods a node of the graph is and what it answers at; flows.py reads every connection that must be possible from the
graph; policies.py makes policies of them; evaluator.py decides, as a network plugin would, whether a connection is let through; proof.py
asks it about every connection of a rendered stack.
"""

from __future__ import annotations

from components.network.policies import Guards, guards

__all__ = ["Guards", "guards"]

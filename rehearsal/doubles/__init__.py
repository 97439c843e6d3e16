"""Doubles: programs that stand in for a real plugin where it cannot be had. The program under rehearsal knows nothing of them."""

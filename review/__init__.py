"""What a change really does: every object of every layer rendered without a cluster, and two renderings compared."""

"""From a load to replicas, requests, volumes, blobs, nodes and money: what `make size` prints. Pure but for reading its data files."""

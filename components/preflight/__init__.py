"""What a cluster has and lacks, before anything is installed: `python -m components.preflight --stack dev`."""

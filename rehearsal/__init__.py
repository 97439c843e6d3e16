"""The rehearsal: brings the program up against a real API server, without a cloud or a cluster."""

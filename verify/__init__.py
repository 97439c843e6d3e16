"""The proof that signals flow: one request through the gateway, one trace id, three stores, and Grafana's own links between them."""

"""rolldice: a small web service to watch in the stack. It knows nothing of what watches it."""

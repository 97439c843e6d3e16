"""Alerts as code: objectives, the stack's own health, and who hears of them."""

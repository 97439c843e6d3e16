"""Modules of the small program, under the name that the real one's have."""

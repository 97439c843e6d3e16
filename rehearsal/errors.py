"""The error of the rehearsal: its message is one clear line for the user."""


class RehearsalError(Exception):
    """Something the rehearsal needs is missing or failed; the message names the thing, its value and the rule."""

"""What cannot be exported, in a line for each reason."""


class ExportError(Exception):
    """A stack that a tool could not bring up from files; the message holds a line for each reason."""

"""As the real program's: what the user did wrong, in one line each."""


class ConfigurationError(Exception):
    """Lines for the user."""

    def __init__(self, lines: list[str]) -> None:
        self.lines = lines
        super().__init__("\n".join(lines))

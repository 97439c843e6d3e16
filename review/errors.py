"""What a review refuses to go on with."""


class Refusal(Exception):
    """The message is one clear line, or one line for each mistake."""

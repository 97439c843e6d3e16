"""What cannot be done, in a line for each reason."""


class SupplyError(Exception):
    """Something cannot be had or is not what it should be; the message holds a line for each."""

"""Keys of the rehearsal's storage accounts: made from the account's name alone, so that the double and Azurite agree on them.

`Azurite.start(..., accounts={name: account_keys(name)})` serves an account under its own name, with these keys.
They guard nothing, yet travel as any account key does.
"""

import base64
import hashlib


def account_keys(account: str) -> tuple[str, str]:
    """key1 and key2 of an account."""
    first, second = (hashlib.sha512(f"rehearsal {account} key{number}".encode()).digest() for number in (1, 2))
    return base64.b64encode(first).decode(), base64.b64encode(second).decode()

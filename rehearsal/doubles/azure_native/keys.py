"""Keys of the rehearsal's storage accounts: made from the account's name alone, so that ARM's double and Azurite agree on them.

They guard nothing, yet travel as any account key does.
"""

import base64
import hashlib
from collections.abc import Iterable

from rehearsal import azurite


def account_keys(account: str) -> tuple[str, str]:
    """key1 and key2 of an account."""
    first, second = (hashlib.sha512(f"rehearsal {account} key{number}".encode()).digest() for number in (1, 2))
    return base64.b64encode(first).decode(), base64.b64encode(second).decode()


def azurite_accounts(names: Iterable[str]) -> str:
    """The value of Azurite's AZURITE_ACCOUNTS that makes it serve these accounts with their keys, beside its own account."""
    served = {azurite.ACCOUNT: (azurite.KEY,), **{name: account_keys(name) for name in names}}
    return ";".join(":".join([name, *keys]) for name, keys in served.items())

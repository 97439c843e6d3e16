"""The azure-native double: a Pulumi resource provider that stands in for the real azure-native plugin, without a subscription.

`python -m rehearsal.doubles.azure_native <engine address>` prints its port and serves. What ARM would keep is in a JSON file, blob
containers are really made in a real Azurite. It accepts what the SDK's own classes and Azure's rules accept, and is never kinder in what it
takes. Where it differs:
- it is stricter: an argument that the SDK does not have is refused, as are references to principals, scopes and subnets that do not exist
  (what is there without our doing is told by REHEARSAL_AZURE_EXISTING), and a container while its Azurite does not answer;
- it is quicker: everything is done at once, but for role assignments and new identities (REHEARSAL_AZURE_PROPAGATION_SECONDS);
- it has no rights, quotas, policies and locks, and knows the built-in roles that concern storage alone;
- what an account forbids (firewall, shared keys, public access later on) is kept and shown, but Azurite does not enforce it;
- it has the resources and functions that our program uses, and names them when it is asked for others.

Environment: settings.py says what each REHEARSAL_* variable means.
"""

VERSION = "3.29.0"

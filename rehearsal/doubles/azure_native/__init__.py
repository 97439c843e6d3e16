"""The azure-native double: a Pulumi resource provider that stands in for the real azure-native plugin, without a subscription.

`python -m rehearsal.doubles.azure_native <engine address>` prints its port and serves. What ARM would keep is in a JSON file, blob
containers are really made in a real Azurite. It accepts what the SDK's own classes and Azure's rules accept, and is never kinder.
"""

VERSION = "3.29.0"

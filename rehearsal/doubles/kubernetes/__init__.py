"""The kubernetes double: a Pulumi resource provider that stands in for the real kubernetes plugin, on a real API server with the real Helm.

`python -m rehearsal.doubles.kubernetes <engine address>` prints its port and serves.
It answers as the recorded real plugin does, and is never kinder.
"""

VERSION = "4.34.2"

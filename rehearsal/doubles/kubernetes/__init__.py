"""The kubernetes double: a Pulumi resource provider that stands in for the real kubernetes plugin, on a real API server with the real Helm.

`python -m rehearsal.doubles.kubernetes <engine address>` prints its port and serves.
It answers as the recorded real plugin does, and is never kinder. Where it differs:
- it is stricter: a field that a built-in kind does not have is refused by the next update, where the real plugin drops it unseen;
- it refuses with one line what it cannot do: components and functions (yaml, kustomize, helm.v4), client-side apply, rendering to
  files, users who sign in by a program, passwords for chart repositories;
- a release that is gone is deleted with a warning, where the real plugin wants a refresh first.
"""

VERSION = "4.34.2"

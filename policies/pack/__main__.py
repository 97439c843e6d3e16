"""The policy pack: `pulumi preview --policy-pack policies/pack`. All that it knows stands in policies/engine.py."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from components.charts import open_lock
from policies import engine, waivers

package = engine.sdk()
package.PolicyPack(
    name="istio-stack",
    enforcement_level=package.EnforcementLevel.MANDATORY,
    policies=engine.policies(package, open_lock("charts.yaml"), waivers.read()),
)

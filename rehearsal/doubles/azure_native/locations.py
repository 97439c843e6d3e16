"""Where Azure has regions, in each cloud, and which of them keeps the other's copies."""

_PUBLIC = """
    australiacentral australiacentral2 australiaeast australiasoutheast austriaeast belgiumcentral brazilsouth brazilsoutheast canadacentral
    canadaeast centralindia centralus chilecentral eastasia eastus eastus2 francecentral francesouth germanynorth germanywestcentral
    indonesiacentral israelcentral italynorth japaneast japanwest jioindiacentral jioindiawest koreacentral koreasouth malaysiawest
    mexicocentral newzealandnorth northcentralus northeurope norwayeast norwaywest polandcentral qatarcentral southafricanorth
    southafricawest southcentralus southeastasia southindia spaincentral swedencentral swedensouth switzerlandnorth switzerlandwest
    uaecentral uaenorth uksouth ukwest westcentralus westeurope westindia westus westus2 westus3
"""
REGIONS = {
    "public": tuple(_PUBLIC.split()),
    "usgovernment": ("usdodcentral", "usdodeast", "usgovarizona", "usgovtexas", "usgovvirginia"),
    "china": ("chinaeast", "chinaeast2", "chinaeast3", "chinanorth", "chinanorth2", "chinanorth3"),
}
_PAIRS = (
    ("australiaeast", "australiasoutheast"), ("brazilsouth", "southcentralus"), ("canadacentral", "canadaeast"),
    ("centralindia", "southindia"), ("centralus", "eastus2"), ("chinaeast", "chinanorth"), ("chinaeast2", "chinanorth2"),
    ("chinaeast3", "chinanorth3"), ("eastasia", "southeastasia"), ("eastus", "westus"), ("francecentral", "francesouth"),
    ("germanywestcentral", "germanynorth"), ("japaneast", "japanwest"), ("koreacentral", "koreasouth"),
    ("northcentralus", "southcentralus"), ("northeurope", "westeurope"), ("norwayeast", "norwaywest"),
    ("southafricanorth", "southafricawest"), ("swedencentral", "swedensouth"), ("switzerlandnorth", "switzerlandwest"),
    ("uaenorth", "uaecentral"), ("uksouth", "ukwest"), ("usdodcentral", "usdodeast"), ("usgovarizona", "usgovtexas"),
    ("usgovvirginia", "usgovtexas"), ("westcentralus", "westus2"), ("westus3", "eastus"),
)  # fmt: skip
# A region may be the second of several, and the first pair is its own.
PAIRED: dict[str, str] = {}
for _one, _other in _PAIRS:
    PAIRED.setdefault(_one, _other)
    PAIRED.setdefault(_other, _one)


def normal(location: str) -> str:
    """A location as ARM writes it: `West Europe` is `westeurope`."""
    return location.replace(" ", "").lower()

"""Objectives: what each service promised, how much of its budget is left, and how fast it burns."""

from __future__ import annotations

from components.alerts.objectives import BAD, BUDGET, BURNS, LEFT, REQUESTS, period_days, ratio
from components.dashboards import links
from components.dashboards.kit import Kit, Panel, Row, build

CHOSEN = 'slo="$slo"'


def every_one(kit: Kit) -> Panel:
    return kit.table(
        "All objectives",
        f"What each service promised, what share of its requests broke it in the last hour, and what is left of the budget of "
        f"{period_days(kit.settings)} days. Empty without istio-stack:slos.",
        "percentunit",
        (f"1 - {BUDGET}", "Promised"),
        (ratio("1h"), "Bad, last hour"),
        (LEFT, "Budget left"),
        target=("Open the objective", links.dashboard(links.OBJECTIVES, slo="${__data.fields.slo}")),
    )


def left(kit: Kit) -> Panel:
    query = (f"min by (objective) ({LEFT}{{{CHOSEN}}})", "{{objective}}")
    description = f"How much of the budget of {period_days(kit.settings)} days is left; below 0 % the promise is broken."
    return kit.series("Budget left", description, "percentunit", query).min(-1)


def burning(kit: Kit) -> Panel:
    queries = ((f"{ratio(burn.long)}{{{CHOSEN}}} / {BUDGET}{{{CHOSEN}}}", f"{{{{objective}}}} {burn.long}") for burn in BURNS)
    pace = ", ".join(f"{burn.factor:g} over {burn.long}" for burn in BURNS)
    return kit.series(
        "Pace", f"How many times faster than allowed the budget burns. Alerts at {pace}.", "none", *queries, service="service"
    )


def requests(kit: Kit) -> Panel:
    return kit.series(
        "Requests",
        "Requests a second, and those that broke the objective.",
        "reqps",
        (f"{REQUESTS}{{{CHOSEN}}}", "{{objective}}: all"),
        (f"{BAD}{{{CHOSEN}}}", "{{objective}}: bad"),
        service="service",
    )


def good(kit: Kit) -> Panel:
    return kit.series(
        "Kept and promised",
        "Share of requests in the last hour that kept the objective, beside what was promised.",
        "percentunit",
        (f"1 - {ratio('1h')}{{{CHOSEN}}}", "{{objective}}: kept"),
        (f"1 - {BUDGET}{{{CHOSEN}}}", "{{objective}}: promised"),
        service="service",
    )


ROWS = (Row("All", (every_one,)), Row("$slo", (left, burning, requests, good)))


def board(kit: Kit) -> str:
    """The dashboard's JSON."""
    slo = kit.variable("slo", "Objective", f"label_values({BUDGET}, slo)")
    return build(kit, links.OBJECTIVES, "Objectives", "Promises, budgets and how fast they burn.", [slo], ROWS)

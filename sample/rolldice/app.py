"""The web application: one route that rolls a die and one that says the process is alive."""

from __future__ import annotations

import logging
import random

from flask import Flask, abort, request
from werkzeug.exceptions import HTTPException

SIDES = 6
LONGEST_NAME = 40
log = logging.getLogger("rolldice")


def create_app() -> Flask:
    """The application: GET /rolldice[?player=NAME] and GET /healthz. Errors are JSON too: {"error": reason}."""
    app = Flask("rolldice", static_folder=None)
    app.add_url_rule("/rolldice", view_func=rolldice)
    app.add_url_rule("/healthz", view_func=healthz)
    app.register_error_handler(HTTPException, _as_json)
    return app


def rolldice() -> dict[str, str | int | None]:
    """Rolls the die and logs it in one line. 400 for a name that would not fit into that line."""
    player = request.args.get("player") or None
    if player is not None and (len(player) > LONGEST_NAME or not player.isprintable()):
        abort(400, f"player must be at most {LONGEST_NAME} printable characters")
    value = random.randint(1, SIDES)
    log.info("%s rolls %d", player or "someone", value)
    return {"player": player, "value": value}


def healthz() -> tuple[str, dict[str, str]]:
    """For the probes. It logs nothing: a line every few seconds would bury the rolls."""
    return "ok\n", {"Content-Type": "text/plain; charset=utf-8"}


def _as_json(error: HTTPException) -> tuple[dict[str, str | None], int]:
    return {"error": error.description}, error.code or 500

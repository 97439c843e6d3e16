"""Runs checkov over a folder of ARM templates, cut off from the network and from the settings of whoever runs it."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rehearsal import tools

SECONDS = 180
"""Its first start compiles thousands of modules."""
# No lists from its makers, nothing sent to them; what fails is in the report, so the exit code is for what goes wrong with checkov itself.
_OPTIONS = ("--framework", "arm", "--output", "json", "--compact", "--skip-download", "--skip-results-upload", "--soft-fail")

_RESOURCE = re.compile(r"(\w+\.\w+[\w/]*)\.(.+)")
"""How checkov writes a resource: its type, whose first part has a dot of its own, and its name."""


@dataclass(frozen=True)
class Report:
    """What checkov says about each template of the folder, by the template's name."""

    judged: Mapping[str, Mapping[tuple[str, str, str], bool]]
    """Whether each resource passed each check, by check, type and name."""
    unreadable: tuple[str, ...]
    """Templates that are no templates to it."""
    resources: int
    """How many resources it saw in all, checked or not."""


def run(folder: Path, home: Path) -> Report:
    """Checks every template in a folder; `home` is an empty folder in place of the user's own, which may hold a configuration."""
    program = tools.ensure("checkov")["checkov"]
    environment = {
        "HOME": str(home),
        "PATH": "",
        "CKV_SKIP_PACKAGE_UPDATE_CHECK": "true",
        # what would go out in spite of that ends here, at once
        "HTTP_PROXY": "http://127.0.0.1:9",
        "HTTPS_PROXY": "http://127.0.0.1:9",
    }
    # by its Python: the script's first line names the folder that it was built in
    command = [str(program.parent / "python"), str(program), "--directory", str(folder), *_OPTIONS]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=SECONDS, check=False)
    assert done.returncode == 0, f"checkov ended with {done.returncode}: {done.stderr[-2000:]}"
    answer: dict[str, Any] = json.loads(done.stdout)
    assert "results" in answer, f"checkov found no template in {folder}"
    results = answer["results"]
    judged: dict[str, dict[tuple[str, str, str], bool]] = {}
    for passed, key in ((True, "passed_checks"), (False, "failed_checks")):
        for record in results[key]:
            of_file = judged.setdefault(Path(record["file_path"]).stem, {})
            resource = _RESOURCE.fullmatch(record["resource"])
            assert resource, f"checkov names a resource as it never did: {record['resource']}"
            of_file[record["check_id"], resource[1], resource[2]] = passed
    unreadable = tuple(sorted(Path(file).stem for file in results["parsing_errors"]))
    return Report(judged, unreadable, answer["summary"]["resource_count"])

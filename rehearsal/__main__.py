"""`python -m rehearsal <command>`."""

from rehearsal.cli import run

run()

"""`make comment`: one comment for each pull request and set of stacks, against a double of GitHub's API (tests/github_double.py)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from operations import comment
from operations.comment import BAD_INPUT, FAILED, FENCE, body, main
from operations.github import LONGEST, GitHub, GitHubError
from review.report import MARKER
from tests.github_double import BOT, GitHubDouble, running

GOLDEN = Path(__file__).parent / "review" / "golden"
PERSON = {"login": "alice", "type": "User"}
VARIABLES = ("TOKEN", "REPOSITORY", "API_URL", "ACTIONS", "SERVER_URL", "RUN_ID")


@pytest.fixture
def github(monkeypatch: pytest.MonkeyPatch) -> Iterator[GitHubDouble]:
    """The double, with the variables that a workflow would have."""
    with running() as double:
        monkeypatch.delenv("HEAD_SHA", raising=False)
        for name in VARIABLES:
            monkeypatch.delenv(f"GITHUB_{name}", raising=False)
        for name, value in double.environment().items():
            monkeypatch.setenv(name, value)
        yield double


def review(name: str = "loki-retention") -> str:
    return (GOLDEN / f"{name}.md").read_text()


def run(text: str, folder: Path, *more: str) -> int:
    (folder / "review.md").write_text(text)
    return main(["--text", str(folder / "review.md"), "--pull-request", "7", *more])


# what is posted where


def test_the_first_review_makes_a_comment_and_the_next_one_changes_it(github: GitHubDouble, tmp_path: Path) -> None:
    github.add_comment("nice", PERSON)
    assert run(review(), tmp_path) == 0
    assert [c["user"] for c in github.comments] == [PERSON, BOT]
    assert run(review("chart-bump"), tmp_path) == 0
    assert len(github.comments) == 2
    assert "alloy" in github.comments[1]["body"] and "retention" not in github.comments[1]["body"]
    assert github.asked[-1] == "PATCH /repos/acme/stack/issues/comments/2"


def test_a_review_that_says_the_same_writes_nothing(github: GitHubDouble, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(review(), tmp_path) == 0
    github.asked.clear()
    assert run(review(), tmp_path) == 0
    assert [call.partition(" ")[0] for call in github.asked] == ["GET"]
    assert "as it was: https://github.example/c/1" in capsys.readouterr().err


def test_each_set_of_stacks_has_a_comment_of_its_own(github: GitHubDouble, tmp_path: Path) -> None:
    for _ in range(2):
        assert run(review(), tmp_path, "--stack", "all") == 0
        assert run(review("volume-size"), tmp_path, "--stack", "prod") == 0
    assert [c["body"].partition("\n")[0] for c in github.comments] == [
        "<!-- istio-stack review of all -->",
        "<!-- istio-stack review of prod -->",
    ]


def test_a_comment_of_somebody_else_who_copied_the_marker_is_left_alone(github: GitHubDouble, tmp_path: Path) -> None:
    copied = github.add_comment(body(review(), "all"), PERSON)
    before = copied["body"]
    assert run(review("chart-bump"), tmp_path) == 0
    assert copied["body"] == before
    assert len(github.comments) == 2


def test_a_person_with_a_token_changes_the_comment_of_their_own(
    github: GitHubDouble, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_ACTIONS", "")
    github.me = PERSON
    theirs = github.add_comment(body(review(), "all"), BOT)["body"]
    assert run(review("chart-bump"), tmp_path) == 0
    assert run(review("volume-size"), tmp_path) == 0
    assert [c["user"] for c in github.comments] == [BOT, PERSON]
    assert github.comments[0]["body"] == theirs


def test_a_comment_is_found_on_any_page(github: GitHubDouble, tmp_path: Path) -> None:
    for number in range(250):
        github.add_comment(f"comment {number}", PERSON)
    assert run(review(), tmp_path) == 0
    assert run(review("chart-bump"), tmp_path) == 0
    assert len(github.comments) == 251


def test_links_stand_below(github: GitHubDouble, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"GITHUB_SERVER_URL": "https://github.example", "GITHUB_RUN_ID": "42", "HEAD_SHA": "0123456789abcdef"}.items():
        monkeypatch.setenv(name, value)
    assert run(review(), tmp_path, "--artifact", "https://github.example/a/9") == 0
    assert github.comments[0]["body"].endswith(
        "\n---\ncommit 0123456789ab · [every object and row](https://github.example/a/9) · "
        "[run](https://github.example/acme/stack/actions/runs/42)\n"
    )


# how long it may be


def long_review(stacks: int = 4, rows: int = 150, fenced: int = 0) -> str:
    """As the report writes it for a change of everything, the last stack refused."""
    parts = [MARKER]
    for number in range(stacks):
        parts += ["", f"## Stack s{number}: {rows} restart", ""]
        parts += [
            f"| restart | Deployment n/d{row} | spec.template | {'a' * 60} | {'b' * 60} | its pods are rolled |" for row in range(rows)
        ]
        parts += ["Signals:", "", f"{FENCE}diff", *(f"+ {line} {'c' * 80}" for line in range(fenced)), FENCE] if fenced else []
    return "\n".join([*parts, "", "## Stack last: refused", "", "**Refused:** secret in clear: Release grafana  "]) + "\n"


@pytest.mark.parametrize("fenced", [0, 900])
def test_a_long_review_is_cut_at_a_line_and_says_so_and_hides_no_refusal(fenced: int) -> None:
    text = long_review(fenced=fenced)
    assert len(text) > LONGEST
    cut = body(text, "all", ["[every object and row](https://github.example/a/9)"])
    assert LONGEST - 1000 < len(cut) <= LONGEST
    head = cut[:2000]
    assert all(f"**Stack s{number}: 150 restart**" in head for number in range(4))
    assert "**Stack last: refused**" in head and "**Refused:** secret in clear: Release grafana" in head
    *_, said, _, rule, links = cut.rstrip("\n").split("\n")
    lines = len(text.strip().splitlines()) - 2
    assert said.startswith("**Cut here: ") and said.endswith(f" of {lines} lines are shown, as a comment takes no more.** "
                                                             "The whole is in the artifact of this run.")  # fmt: skip
    assert (rule, links) == ("---", "[every object and row](https://github.example/a/9)")
    assert cut.count(f"\n{FENCE}") % 2 == 0
    assert all(line.endswith(" |") for line in cut.splitlines() if line.startswith("| "))


def test_a_review_that_just_fits_is_whole() -> None:
    frame = len(body(f"{MARKER}\nx", "all")) - 1
    fits = f"{MARKER}\n{'x' * (LONGEST - frame)}"
    assert len(body(fits, "all")) == LONGEST
    assert "Cut here" not in body(fits, "all")
    assert "Cut here" in body(f"{fits}x", "all")


def test_github_takes_what_was_cut(github: GitHubDouble, tmp_path: Path) -> None:
    assert run(long_review(), tmp_path) == 0
    assert "Cut here" in github.comments[0]["body"]


# without a token, and when GitHub refuses


def test_without_a_token_it_is_printed_and_nobody_is_asked(
    github: GitHubDouble, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("GITHUB_TOKEN")
    assert run(review(), tmp_path) == 0
    printed = capsys.readouterr()
    assert printed.out == body(review(), "all")
    assert "printed, not posted" in printed.err
    assert github.asked == []


def test_a_refusal_is_one_line_without_the_token(github: GitHubDouble, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    github.forbidden = True
    assert run(review(), tmp_path) == FAILED
    said = capsys.readouterr().err.strip()
    assert said == ("error: GitHub answers 403 to POST /repos/acme/stack/issues/7/comments: Resource not accessible by integration")


def test_nobody_at_the_address_is_one_line(
    github: GitHubDouble, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GITHUB_API_URL", "http://127.0.0.1:1")
    assert run(review(), tmp_path) == FAILED
    assert "error: GitHub does not answer GET /repos/acme/stack/issues/7/comments" in capsys.readouterr().err


def test_a_repository_without_an_owner_is_refused() -> None:
    with pytest.raises(GitHubError, match="GITHUB_REPOSITORY is stack: must be <owner>/<name>"):
        GitHub.of_environment({"GITHUB_TOKEN": "x", "GITHUB_REPOSITORY": "stack"})


@pytest.mark.parametrize(
    ("arguments", "said"),
    [((), "MARKDOWN is not set"), (("--text", "/nowhere/review.md"), "/nowhere/review.md: No such file or directory")],
)
def test_a_file_that_is_not_there_is_one_line(arguments: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert comment.main(arguments) == BAD_INPUT
    assert said in capsys.readouterr().err

"""How problems of a store are printed, and what the commands are that repair them."""

from __future__ import annotations

from datetime import UTC, datetime

from audiostore.cli import hints
from audiostore.cli.output import escape, print_json

TYPE_CHECKING = False  # importing typing would take longer than argparse
if TYPE_CHECKING:
    from audiostore import Problem, Repaired

_COMMANDS = {
    "damaged-bytes": "rm {audio_id}",
    "empty-object": "rm {audio_id}",
    "expires-before-stored": "expire {audio_id} DATE",
    "half-held": "hold {audio_id}",
    "mismatched-thumbnail": "cover {audio_id} FILE",
    "missing-thumbnail": "cover {audio_id} FILE",
    "orphan-attached": "rm {audio_id}",
    "orphan-thumbnail": "put FILE --id {audio_id}",
    "stale-attached": "attach {audio_id} transcript FILE",
    "unfinished-deletion": "rm {audio_id}",
    "unmanaged-object": "put FILE",
    "unplayable-audio": "put FILE --supersedes {audio_id}",
    "unreadable-image": "cover {audio_id} FILE",
    "wrong-bytes": "rm {audio_id}",
    "wrong-facts": "check --deep --repair",
}
"""By kind of problem: the command that does what the hint says."""


def _command(problem: Problem) -> str | None:
    from audiostore.audit import RestoreAsset  # noqa: PLC0415  (not for --help)

    command = _COMMANDS.get(problem.kind)
    if isinstance(problem.repair, RestoreAsset):
        command = "restore {audio_id}"
    if command is None:
        return None
    return hints.command_line(*command.format(audio_id=problem.audio_id).split())


def _hint(problem: Problem) -> str:
    command = _command(problem)
    return escape(f"{problem.hint} ('{command}')" if command else problem.hint)


def print_problem(
    problem: Problem,
    outcome: Repaired | None = None,
    *,
    as_json: bool = False,
    repairs: bool = False,
) -> None:
    """Print a problem, and how it would be repaired, or the outcome of that if it was tried."""
    from audiostore.audit import GRACE  # noqa: PLC0415  (not for --help)

    if as_json:
        fields = {**problem.to_dict(), "command": _command(problem)}
        if outcome is not None:
            fields["outcome"] = outcome
        print_json(fields)
        return
    hours = GRACE.total_seconds() / 3600
    print(f"{problem.kind}: {escape(problem.name)}: {escape(problem.message)}")
    if not repairs:
        print(f"  -> {_hint(problem)}", flush=True)
    elif problem.repair is None:
        print(f"  -> by hand: {_hint(problem)}", flush=True)
    elif outcome is None:
        young = problem.is_too_young(datetime.now(UTC))
        wait = f", once it is {hours:g} hours old" if young else ""
        print(f"  -> would {escape(problem.repair.description)}{wait}", flush=True)
    else:
        result = {
            "done": "repaired",
            "too young": f"skipped: younger than {hours:g} hours, may be part of an upload",
            "changed": "skipped: it has changed since it was checked",
            "held": "skipped: it is under a hold",
            "by hand": "skipped: repair it by hand",
        }[outcome]
        print(f"  -> {escape(problem.repair.description)}: {result}", flush=True)

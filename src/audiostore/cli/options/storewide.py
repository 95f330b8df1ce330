"""Options of the commands that look after a whole store."""

from __future__ import annotations

from audiostore.cli.options.adding import Add, Parser, positive


def add_storewide_commands(add: Add) -> None:
    """Declare check, lifecycle and copy."""
    check = add(
        "check",
        "look for everything in a store that is not as it should be",
        "audiostore check --repair",
        run="audit.check_store",
    )
    check.add_argument(
        "--deep", action="store_true", help="also read, verify and decode every byte"
    )
    check.add_argument(
        "--repair",
        action="store_true",
        help="say how each problem would be mended; with --yes, mend it",
    )
    check.add_argument("-y", "--yes", action="store_true", help="carry the repairs out")
    check.add_argument(
        "-n", "--dry-run", action="store_true", help="change nothing, whatever else is said"
    )

    lifecycle = add.group("lifecycle", "see and set what a store does with assets as they age")
    lifecycle(
        "show",
        "show what the store does of itself",
        "audiostore lifecycle show",
        run="lifecycle.show",
    )
    lifecycle(
        "example",
        "print a policy to begin with",
        "audiostore lifecycle example > lifecycle.toml",
        run="lifecycle.example",
        bucket=False,
        json=False,
    )
    plan = lifecycle(
        "plan",
        "say how a policy differs from what the store does, what it would touch, and save",
        "audiostore lifecycle plan lifecycle.toml",
        run="lifecycle.plan",
    )
    _add_policy(plan)
    plan.add_argument(
        "--prices", metavar="FILE", help="your own prices (see 'audiostore stats --help')"
    )
    apply = lifecycle(
        "apply",
        "have the store follow a policy; rules that are not audiostore's stay as they are",
        "audiostore lifecycle apply lifecycle.toml --yes",
        run="lifecycle.apply",
    )
    _add_policy(apply)
    apply.add_argument(
        "-n", "--dry-run", action="store_true", help="say what would be done, and do nothing"
    )
    apply.add_argument(
        "-y", "--yes", action="store_true", help="do not ask (only a terminal is ever asked)"
    )
    run = lifecycle(
        "run",
        "carry the rules out on a directory (a bucket does so itself, about once a day)",
        "audiostore lifecycle run --dry-run",
        run="lifecycle.run",
    )
    run.add_argument(
        "-n", "--dry-run", action="store_true", help="say what would be done, and do nothing"
    )
    run.add_argument(
        "-y", "--yes", action="store_true", help="do not ask (only a terminal is ever asked)"
    )

    copy = add(
        "copy",
        "copy whole assets from one store to another, verified; what is there is skipped",
        "audiostore copy --from gs://my-bucket --to file:///backup/audio",
        run="copying.copy",
        bucket=False,
    )
    copy.add_argument("audio_ids", metavar="ID", nargs="*", help="which (default: all)")
    copy.add_argument("--from", dest="source", metavar="URL", required=True, help="a store")
    copy.add_argument("--to", dest="target", metavar="URL", required=True, help="another one")
    copy.add_argument(
        "--concurrency",
        metavar="N",
        type=positive,
        help="how many at once at most (default: as many as is found best)",
    )
    copy.add_argument(
        "-n", "--dry-run", action="store_true", help="say what would be copied, and copy nothing"
    )


def _add_policy(parser: Parser) -> None:
    parser.add_argument(
        "policy",
        metavar="FILE",
        nargs="?",
        default="lifecycle.toml",
        help="the policy (default: lifecycle.toml)",
    )

"""What was probably meant by a word that is not known: a typo, or a word of another program."""

from __future__ import annotations

from difflib import get_close_matches

TYPE_CHECKING = False  # importing typing would take longer than argparse
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from audiostore.cli.parser import Parser

# What other programs call our commands and options.
_COMMANDS = {
    "put": "add backup import ingest push save send store upload",
    "get": "cat download dl export-audio fetch pull",
    "copy": "clone cp migrate mirror sync transfer",
    "list": "dir find ll ls query search",
    "show": "cat describe head info inspect stat view",
    "rm": "del delete erase remove unlink",
    "restore": "recover undelete undo",
    "purge": "cleanup empty expunge gc prune",
    "meta": "edit modify retag set tag tags update",
    "cover": "art artwork image picture thumbnail",
    "url": "link presign share sign",
    "check": "audit fsck scan verify",
    "verify-bucket": "conformance selftest self-test test verify verify-store",
    "doctor": "account config diagnose env init login ping status whoami",
    "stats": "cost du size usage",
    "jobs": "history journal log logs runs",
    "probe": "analyse analyze ffprobe mediainfo",
    "hold": "lock pin protect",
    "release": "unhold unlock unpin",
    "set-class": "class storage-class tier",
    "apply": "set update use",
    "duplicates": "dedup dedupe dupes duplicate",
    "help": "man usage",
    "--version": "ver version",
}
_OPTIONS = {
    "--bucket": "-b --container --endpoint --repo --repository --url",
    "--store": "--profile --remote",
    "--cleanup": "--delete --delete-after --move --remove --remove-source-files",
    "--concurrency": "-j -p -t --checkers --jobs --parallel --processes --threads --transfers "
    "--workers",
    "--dry-run": "--just-print --no-act --noop --plan --pretend --preview --simulate --whatif",
    "--help": "-? --usage",
    "--journal": "--cache --log --log-file --state",
    "--json": "-J --format --machine-readable --output-format",
    "--limit": "-l --count --head --max --number --top",
    "--max-rate": "--bandwidth --bwlimit --limit-rate --rate --speed --throttle",
    "--meta": "-m --metadata --property --set --tag --tags",
    "--set": "-m --meta --metadata --property --tag --tags",
    "--quiet": "-s --silent",
    "--retry-for": "--retries --retry --timeout --wait",
    "--since": "--after --from --newer",
    "--before": "--older --to --until",
    "--skip-stored": "--ignore-existing --no-clobber --skip-duplicates --skip-existing "
    "--size-only --checksum -c",
    "--thumbnail": "--art --artwork --cover --image --picture",
    "--to": "-C -d -o --dest --destination --dir --directory --out --output --output-dir --target",
    "--output": "-O --dest --destination --file --out --to",
    "--verbose": "--info --log-level --progress -P",
    "--version": "-V",
    "--yes": "-f --assume-yes --confirm --force --no-confirm --no-input --noconfirm",
}
_CLOSE = 0.55
"""How similar a word must be: 'lst' and 'list' are 0.86, 'foo' and 'before' 0.44."""
_NEEDLESS = {
    "-r --recursive -R": "directories are always taken with all that is below them",
    "-f --force --overwrite": "what is stored is never overwritten",
    "-z --compress": "audio is compressed already",
}


def similar_command(word: str, commands: Collection[str]) -> str:
    """Return `` (did you mean 'list'?)``, or nothing."""
    return _question(word, commands, _COMMANDS, always=("--version",))


def similar_option(word: str, parser: Parser) -> str:
    """Return `` (did you mean '--to'?)``, or nothing."""
    name = word.partition("=")[0]
    if question := _question(name, list(parser._option_string_actions), _OPTIONS):
        return question
    takes_files = any(action.metavar == "FILE" for action in parser._actions)
    for words, reason in _NEEDLESS.items():
        if takes_files and name in words.split():
            return f" (leave it out: {reason})"
    return ""


def misplaced(word: str) -> str:
    """Return where an argument belongs that the command does not take."""
    return " (name the store with --bucket)" if ":" in word else ""


def _question(
    word: str,
    known: Collection[str],
    foreign: dict[str, str],
    always: Iterable[str] = (),
) -> str:
    meant = [
        ours
        for ours, theirs in foreign.items()
        if (ours in known or ours in always) and word.lower() in theirs.lower().split()
    ]
    if not meant:
        by_name = {name.lstrip("-"): name for name in known if len(name) > 2}
        close = get_close_matches(word.lower().lstrip("-"), by_name, n=2, cutoff=_CLOSE)
        meant = [by_name[name] for name in close]
    return f" (did you mean {' or '.join(map(repr, meant))}?)" if meant else ""

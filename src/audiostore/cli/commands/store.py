"""The commands on a whole store, and on none."""

import sys
from argparse import Namespace
from contextlib import closing
from dataclasses import asdict

from audiostore.cli.choice import choose_store
from audiostore.cli.failures import sentence
from audiostore.cli.listing import json_line
from audiostore.cli.output import coloured, escape, say
from audiostore.errors import AudioStoreError
from audiostore.stores import Finding, complete, open_store


def doctor(options: Namespace) -> int:
    """Say which store is used, as whom, and whether it works."""
    choice = choose_store(options.bucket)
    failed = False

    def tell(finding: Finding) -> None:
        nonlocal failed
        failed = failed or not finding.ok
        if options.json:
            print(json_line(asdict(finding)), flush=True)
            return
        word = "ok" if finding.ok else "FAIL"
        remedy = f" -> {finding.remedy}" if finding.remedy else ""
        padding = " " * (5 - len(word))
        line = escape(f"{finding.subject}: {finding.detail}{remedy}")
        print(f"{coloured(word, sys.stdout)}{padding}{line}", flush=True)

    tell(Finding("choice", ok=True, detail=f"{choice.describe()}, {choice.origin}"))
    with closing(open_store(choice.location.url)) as store:
        for finding in complete(store).diagnose():
            tell(finding)
    return 1 if failed else 0


def probe(options: Namespace) -> int:
    """Say what is inside audio files, and whether they could be stored."""
    from audiostore.cli.probing import examine, inside_block  # noqa: PLC0415  (FFmpeg)

    code = 0
    for number, path in enumerate(options.files):
        try:
            item, info = examine(path, options.check, fix_extension=options.fix_extension)
        except (AudioStoreError, OSError) as error:
            code = 1
            reason = sentence(error)
            if options.json:
                print(json_line({"file": path, "storable": False, "reason": reason}), flush=True)
            else:
                say("error", reason)
            continue
        if options.json:
            fields = {
                "file": path,
                "storable": True,
                "content_type": item.content_type,
                "warnings": list(item.warnings),
            }
            print(json_line({**fields, **(info.to_dict() if info else {})}), flush=True)
        else:
            print(("\n" if number else "") + inside_block(path, item, info), flush=True)
        for warning in item.warnings:
            say("warning", warning)
    return code


def completion(options: Namespace) -> int:
    """Print a script that completes this command's options."""
    from audiostore.cli.completion import completion_script  # noqa: PLC0415

    print(completion_script(options.shell))
    return 0

"""The page of all commands, from the parser that reads them."""

from argparse import SUPPRESS, Action
from collections.abc import Iterator, Mapping
from typing import Any

from audiostore.cli.parser import Parser, build_parser
from audiostore.cli.registry import find_commands, grouped

_HEAD = """\
# Commands

Generated from the command line's own parser. [The command line](../command-line.md) explains
output, exit codes, errors as JSON and completion; [Which store](../stores.md) how a store is named.

"""


def page() -> str:
    """Return the page."""
    menu = build_parser()
    parsers = _parsers(menu)
    lines = [_HEAD, "| command | does |\n|---|---|\n"]
    for _, commands in grouped(find_commands()):
        lines += [f"| [`{each.name}`](#{each.name}) | {each.summary} |\n" for each in commands]
    lines += ["\n## Options that all commands have\n\n", *_options(_shown(menu))]
    lines.append("\nCommands that use a store also have:\n\n")
    common = [each for each in _shown(parsers["put"]) if each.dest == "billing_project"]
    lines += _options(common)
    known = {each.dest for each in [*_shown(menu), *common]}
    for heading, commands in grouped(find_commands()):
        lines.append(f"\n## {heading.capitalize()}\n")
        for each in commands:
            lines += _command(each.name, parsers[each.name], known, 3)
            for name, parser in _parsers(parsers[each.name]).items():
                lines += _command(f"{each.name} {name}", parser, known, 4)
    return "".join(lines)


def _parsers(menu: Parser) -> Mapping[str, Parser]:
    """Return the parsers of a menu's commands by name."""
    for action in menu._actions:
        if isinstance(action.choices, dict):
            return action.choices
    return {}


def _shown(parser: Parser) -> list[Action]:
    return [
        each
        for each in parser._actions
        if each.help != SUPPRESS and each.dest != "help" and not isinstance(each.choices, dict)
    ]


def _command(name: str, parser: Parser, known: set[str], level: int) -> Iterator[str]:
    anchor = name.replace(" ", "-")
    yield f"\n{'#' * level} `{name}` {{ #{anchor} }}\n\n{_escaped(parser.description or '')}\n"
    of_its_own = [each for each in _shown(parser) if each.dest not in known]
    for group in parser._action_groups:
        actions = [each for each in group._group_actions if each in of_its_own]
        if actions:
            title = group.title or ""
            is_usual = title in {"positional arguments", "options", "common options"}
            yield "\n" if is_usual else f"\n{title[:1].upper()}{title[1:]}:\n\n"
            yield from _options(actions)
    if parser.epilog and not _parsers(parser):
        examples = "\n".join(line[2:] for line in parser.epilog.splitlines()[1:])
        yield f"\n```console\n{examples}\n```\n"


def _options(actions: list[Action]) -> Iterator[str]:
    yield "| | |\n|---|---|\n"
    for action in actions:
        yield f"| {_written(action)} | {_escaped(_help(action))} |\n"


def _written(action: Action) -> str:
    value = _value(action)
    if not action.option_strings:
        return f"`{value}`"
    suffix = f" {value}" if action.nargs != 0 else ""
    return ", ".join(f"`{each}{suffix}`" for each in action.option_strings)


def _value(action: Action) -> str:
    if action.metavar is not None:
        return action.metavar if isinstance(action.metavar, str) else " ".join(action.metavar)
    if action.choices is not None:
        return "{" + ",".join(map(str, action.choices)) + "}"
    return action.dest.upper()


def _help(action: Action) -> str:
    values: dict[str, Any] = {**vars(action), "prog": "audiostore"}
    return (action.help or "") % values


def _escaped(text: str) -> str:
    """Return help as Markdown that shows it as it is."""
    for mark in "\\`*_<[|$":
        text = text.replace(mark, f"\\{mark}" if mark not in "<$" else f"&#{ord(mark)};")
    return text

"""The order of the pages."""

from collections.abc import Iterator, Mapping
from typing import Final

from tests.site.api import TOPICS

Nav = list[dict[str, "str | Nav"]]

API: Final = "reference/api"
"""The folder of the pages that are written from docstrings."""


def nav(titles: Mapping[str, str]) -> Nav:
    """Return the navigation: titles, each with a page or with a part of the navigation.

    Args:
        titles: the title of each page of docs/decisions, by its name in the site.
    """
    return [
        {"Home": "index.md"},
        {"Tutorial": "tutorial.md"},
        {
            "How to": [
                {
                    "Set up": [
                        {"Install it": "installing.md"},
                        {"Set up your first bucket": "how-to/first-bucket.md"},
                        {"Verify it on your bucket": "verify-bucket.md"},
                        {"Choose a store": "stores.md"},
                        {"Run in a container": "how-to/containers.md"},
                        {"Run on Cloud Run": "how-to/cloud-run.md"},
                        {"Watch it: traces and metrics": "telemetry.md"},
                    ]
                },
                {
                    "Use it in a program": [
                        {"The library by example": "library.md"},
                        {"FastAPI": "how-to/fastapi.md"},
                        {"Django": "how-to/django.md"},
                        {"pandas and soundfile": "how-to/pandas.md"},
                        {"Test your program": "how-to/testing.md"},
                    ]
                },
                {
                    "Move in": [
                        {"From a folder": "how-to/migrate-folder.md"},
                        {"From ActiveStorage": "how-to/migrate-activestorage.md"},
                        {"From django-storages": "how-to/migrate-django-storages.md"},
                        {"From any other layout": "adopt.md"},
                    ]
                },
                {
                    "Run a library": [
                        {"Find, change, delete, restore": "managing.md"},
                        {"Store whole libraries": "bulk.md"},
                        {"Check and repair": "checking.md"},
                        {"Use many machines": "fleet.md"},
                        {"Serve over HTTP": "serve.md"},
                        {"Measure loudness, draw waveforms": "analysis.md"},
                        {"Train on it": "training.md"},
                    ]
                },
            ]
        },
        {
            "Reference": [
                {"Python API": [{topic.title: f"{API}/{topic.slug}.md"} for topic in TOPICS]},
                {
                    "Command line": [
                        {"Commands": "reference/commands.md"},
                        {"Output, exit codes, completion": "command-line.md"},
                        {"Configuration": "configuration.md"},
                    ]
                },
                {"HTTP API": "reference/http.md"},
                {
                    "Data": [
                        {"Formats": "formats.md"},
                        {"What plays in a browser": "playback.md"},
                        {"Layout of a bucket": "gcs-organization-structure.md"},
                        {"Glossary": "glossary.md"},
                    ]
                },
                {
                    "Project": [
                        {"Changelog": "changelog.md"},
                        {"Contributing": "contributing.md"},
                        {"Code of conduct": "code-of-conduct.md"},
                        {"Releasing": "releasing.md"},
                        {"Example tracks and programs": "examples.md"},
                        {"Third-party licences": "licences.md"},
                    ]
                },
            ]
        },
        {
            "Explanation": [
                {"The promise": "promise.md"},
                {"How an upload commits": "commit-protocol.md"},
                {"Threat model": "security.md"},
                {"Architecture": "architecture.md"},
                {"Reliability": "reliability.md"},
                {"When things go wrong, beside other tools": "compared.md"},
                {
                    "Performance": [
                        {"Compared with other tools": "performance.md"},
                        {"Listing": "performance-listing.md"},
                        {"Serving": "performance-serving.md"},
                    ]
                },
                {"Decisions": [{title: page} for page, title in sorted(titles.items())]},
            ]
        },
        {"Help": [{"Troubleshooting": "troubleshooting.md"}, {"Questions": "faq.md"}]},
    ]


def pages_of(part: Nav) -> Iterator[str]:
    """Yield the pages of a navigation."""
    for entry in part:
        for below in entry.values():
            if isinstance(below, str):
                yield below
            else:
                yield from pages_of(below)


def toml(part: Nav) -> str:
    """Return a navigation as a value in TOML."""
    return f"[{', '.join(_entry(entry) for entry in part)}]"


def _entry(entry: Mapping[str, "str | Nav"]) -> str:
    ((title, below),) = entry.items()
    return f"{{ {_text(title)} = {_text(below) if isinstance(below, str) else toml(below)} }}"


def _text(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'

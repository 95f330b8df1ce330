"""The documentation site: ``python -m tests.site`` builds it into build/site, without a network.

The pages are those in docs/ and some from the root. What the code knows is written from the code:
the commands, the HTTP API, and every public name with its docstring. Zensical makes HTML of them,
and a broken link, a missing anchor or an unknown name fails the build.
"""

from tests.site.staging import TARGET, SiteError, build, render, stage

__all__ = ["TARGET", "SiteError", "build", "render", "stage"]

"""Build the site: ``python -m tests.site [TARGET]``."""

import sys
from pathlib import Path

from tests.site import TARGET, SiteError, build

if __name__ == "__main__":
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else TARGET
    try:
        build(target)
    except SiteError as error:
        sys.exit(f"error: {error}")
    print(f"open {target / 'index.html'}; to search it, serve it:")
    print(f"python -m http.server --bind 127.0.0.1 --directory {target}")

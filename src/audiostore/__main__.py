"""``python -m audiostore``: the same command as ``audiostore``."""

import sys

from audiostore.cli import main

if __name__ == "__main__":
    sys.exit(main())

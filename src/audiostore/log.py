"""The logger of audiostore. The program decides where it writes, if anywhere."""

import logging

logger = logging.getLogger("audiostore")
logger.addHandler(logging.NullHandler())

passed_over = logger.getChild("passed_over")
"""Gets what a listing leaves out, by name or path: what is not readable (a warning), and files that
are not objects of the store (an info)."""

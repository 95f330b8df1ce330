"""The logger of audiostore. The program decides where it writes, if anywhere."""

import logging

logger = logging.getLogger("audiostore")
logger.addHandler(logging.NullHandler())

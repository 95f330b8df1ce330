"""The one logger of audiostore; where it writes, if anywhere, is the program's business."""

import logging

logger = logging.getLogger("audiostore")
logger.addHandler(logging.NullHandler())

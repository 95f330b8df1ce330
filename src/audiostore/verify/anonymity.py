"""What a row says names nothing of its owner's: it is made to be shown to others."""

import re

from audiostore.dataclass import dataclass
from audiostore.errors import redacted

_ACCOUNT = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")
_RESOURCE = re.compile(r"\b(projects|locations|keyRings|cryptoKeys)/[^/\s'\",;]+")


@dataclass(frozen=True, slots=True)
class Anonymity:
    """Leaves out of texts what names a bucket, its prefix, an account, a project or a key."""

    bucket: str
    prefix: str
    scratch: str
    """The name in the bucket of what stands before all that is written; ends with a slash."""

    def of(self, text: str) -> str:
        """Return the text, without secrets too."""
        text = redacted(text).replace(f"gs://{self.bucket}/{self.scratch}", "")
        text = text.replace(self.scratch, "")
        for name, word in ((self.bucket, "BUCKET"), (self.prefix, "PREFIX")):
            if name:
                text = re.sub(rf"(?<![\w.-]){re.escape(name)}(?![\w-])", word, text)
        return _RESOURCE.sub(r"\1/…", _ACCOUNT.sub("ACCOUNT", text))

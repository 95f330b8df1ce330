"""What an upload asks of a file besides its bytes: the journal records it with what is stored.

So a file that is stored is examined when more is asked of it than before, and only then.
"""

from audiostore.ingest import UploadOptions


def asked_of(options: UploadOptions) -> frozenset[str]:
    """Return what is asked: the checks, and what is to be made of the sound."""
    asked: list[str] = []
    if options.check != "none":
        asked.append("quick")
    if options.check == "full":
        asked.append("full")
    if options.analyse:
        asked.append("analyse")
    if options.analyse == "true-peak":
        asked.append("true-peak")
    if options.preview:
        asked.append("preview")
    if options.preview == "all":
        asked.append("preview-all")
    return frozenset(asked)

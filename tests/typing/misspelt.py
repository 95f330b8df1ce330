"""A misspelt public name is an error: the comments below would be unused, which is one too."""
# pyright: reportUnnecessaryTypeIgnoreComment=true

import audiostore
from audiostore import AudioStorageManagr  # type: ignore[attr-defined]

audiostore.upload_manny  # type: ignore[attr-defined]  # noqa: B018
print(AudioStorageManagr)

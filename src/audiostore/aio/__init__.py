"""The library for asyncio: `AsyncAudioStorageManager`, with the verbs of `AudioStorageManager`.

Imported only by programs that use it.
"""

from audiostore.aio.manager import (
    AsyncAudioStorageManager as AsyncAudioStorageManager,
)
from audiostore.aio.rooms import (
    AsyncAudit as AsyncAudit,
    AsyncBulk as AsyncBulk,
    AsyncCatalog as AsyncCatalog,
    AsyncLifecycle as AsyncLifecycle,
    AsyncTrash as AsyncTrash,
)
from audiostore.aio.spooling import (
    AsyncAudioInput as AsyncAudioInput,
    AsyncReadableStream as AsyncReadableStream,
)

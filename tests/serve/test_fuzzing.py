"""/openapi.json is true of requests that nobody thought of: schemathesis makes them up from it.

It sends what the contract permits and what it does not, to a service on a socket, and compares
each answer with the contract. The store, its ids and the seed are always the same.
"""

import os
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from audiostore import LocalStore
from audiostore.serve import Limits
from audiostore.serve.app import endpoints
from audiostore.serve.sharing import Feed, Share, ShareKey
from audiostore.testing import cover
from tests.assets import tone
from tests.serve.conftest import TOKEN, serving

SECRET: Final = b"of the links of this test"
IDS: Final = [f"00000000-0000-4000-8000-{number:012}" for number in range(6)]
UNLIMITED: Final = Limits(requests_per_s=1e6, burst=10**6)
# What no schema can say: whether bytes are audio, a cursor is the service's own, a file name is
# printable. These are 501 on purpose: a directory has no signed URLs, nobody subscribed to
# notifications, and oEmbed knows formats that this service does not have. Without a token, what is
# public can be read and nothing else: other methods are 401, not 405.
CONFIG: Final = """\
[cache]
enabled = false

[generation]
max-examples = 6
allow-x00 = false
database = "none"

[auth.openapi]
token = {{ bearer = "{token}" }}
subscription = {{ bearer = "{token}" }}

[dictionaries]
ids = {{ values = {ids} }}
shares = {{ values = {shares} }}
feeds = {{ values = {feeds} }}
seconds = {{ values = [1e308] }}
sizes = {{ values = [999999999999999999] }}
times = {{ values = ["9999-12-31T00:00:00Z"] }}

[parameters]
"path.audio_id" = {{ dictionary = "ids", probability = 0.7 }}
# So that no range is empty.
"query.max_duration_s" = {{ dictionary = "seconds", probability = 1.0 }}
"query.max_size_bytes" = {{ dictionary = "sizes", probability = 1.0 }}
"query.created_before" = {{ dictionary = "times", probability = 1.0 }}

[checks.negative_data_rejection]
expected-statuses = ["4xx", "501"]

[checks.positive_data_acceptance]
expected-statuses = ["2xx", "304", "308", "404", "409", "410", "412", "413", "416", "422", "423"]

[[operations]]
include-operation-id = ["createAsset", "putAudio", "putThumbnail", "sendContent", "listAssets"]
checks.positive_data_acceptance.enabled = false

[[operations]]
include-operation-id = "showStatistics" # where the dictionaries are not asked
phases.coverage.checks.positive_data_acceptance.enabled = false

[[operations]]
include-operation-id = ["createLink", "noticeChange", "describeShared"]
checks.not_a_server_error.expected-statuses = ["2xx", "3xx", "4xx", "501"]
checks.positive_data_acceptance.expected-statuses = ["2xx", "404", "410", "422", "501"]
checks.missing_required_header.enabled = false

[[operations]]
include-path-regex = "^/(healthz|readyz|openapi[.]json|s/|oembed|feed/)"
checks.unsupported_method.enabled = false

[[operations]]
include-operation-id = ["showShared", "readShared"]
parameters."path.token" = {{ dictionary = "shares", probability = 0.7 }}

[[operations]]
include-operation-id = "readFeed"
parameters."path.token" = {{ dictionary = "feeds", probability = 0.7 }}
"""


@pytest.mark.slow
def test_every_answer_is_what_the_contract_says(tmp_path: Path) -> None:
    store = LocalStore(tmp_path / "store")
    with serving(store, limits=UNLIMITED, share_secret=SECRET) as service:
        for number, audio_id in enumerate(IDS):
            audio = tone(0.1, hz=440.0 + number, title=f"Track {number}")
            at = f"/v1/assets/{audio_id}"
            assert service("PUT", f"{at}/audio", audio, content_type="audio/wav").status == 201
            stored = service("PUT", f"{at}/thumbnail", cover(), content_type="image/png")
            assert stored.status == 200
        key = ShareKey(SECRET)
        config = tmp_path / "schemathesis.toml"
        config.write_text(
            CONFIG.format(
                token=TOKEN,
                ids=IDS,
                shares=[key.share_token(Share(audio_id)) for audio_id in IDS],
                feeds=[key.feed_token(Feed("A feed", {"text": "track"}))],
            )
        )
        command = [
            *(sys.executable, "-m", "schemathesis.cli", "--config-file", str(config), "run"),
            *("--seed", "1", "--phases", "coverage,fuzzing", "--warnings", "off"),
            f"http://127.0.0.1:{service.port}/openapi.json",
        ]
        done = subprocess.run(
            command,
            cwd=tmp_path,
            env={**os.environ, "NO_COLOR": "1"},
            check=False,
            capture_output=True,
            text=True,
        )
    assert done.returncode == 0, done.stdout + done.stderr
    operations = sum(len(by_method) for by_method in endpoints().values())
    assert f"Tested: {operations}\n" in done.stdout, done.stdout
    store.close()

"""/metrics, read as strictly as its format is described, and what it counts."""

import re
from pathlib import Path

import pytest

from audiostore.serve import TokenFile
from audiostore.serve.access import token_hash
from tests.assets import opened, tone
from tests.serve.conftest import TOKEN, Running, serving
from tests.timing import wait_until

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
LABEL = r'[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\["\\n])*"'
SAMPLE = re.compile(rf"({NAME})(?:\{{({LABEL}(?:,{LABEL})*)\}})? (\S+)")
SUFFIXES = {"histogram": ("_bucket", "_sum", "_count"), "counter": ("",), "gauge": ("",)}

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


def parsed(text: str) -> Samples:
    """Read Prometheus's text format, version 0.0.4; fail at whatever it does not permit."""
    assert text.endswith("\n")
    found: Samples = {}
    kinds: dict[str, str] = {}
    helped: set[str] = set()
    current = ""
    for line in text.splitlines():
        if match := re.fullmatch(rf"# HELP ({NAME}) (\S.*)", line):
            current = match[1]
            assert current not in helped
            helped.add(current)
        elif match := re.fullmatch(rf"# TYPE ({NAME}) (counter|gauge|histogram)", line):
            assert match[1] == current
            assert current not in kinds
            kinds[current] = match[2]
        else:
            match = SAMPLE.fullmatch(line)
            assert match, line
            kind = kinds[current]  # after its type, and beside its other samples
            suffix = match[1].removeprefix(current)
            assert match[1].startswith(current), line
            assert suffix in SUFFIXES[kind], line
            labels = [tuple(each.split("=", 1)) for each in re.findall(LABEL, match[2] or "")]
            names = [name for name, _ in labels]
            assert len(names) == len(set(names))
            assert ("le" in names) == (suffix == "_bucket")
            key = match[1], frozenset((name, value[1:-1]) for name, value in labels)
            assert key not in found, line
            found[key] = float(match[3])
    for name, kind in kinds.items():
        assert name.endswith("_total") == (kind == "counter")
        if kind == "histogram":
            check_histogram(name, found)
    return found


def check_histogram(name: str, samples: Samples) -> None:
    """Each series has buckets up to infinity that grow, and as many values as it counts."""
    series: dict[frozenset[tuple[str, str]], list[tuple[float, float]]] = {}
    for (each, labels), value in samples.items():
        if each == f"{name}_bucket":
            bound = float(dict(labels)["le"])
            others = frozenset(label for label in labels if label[0] != "le")
            series.setdefault(others, []).append((bound, value))
    assert series
    for labels, buckets in series.items():
        assert buckets == sorted(buckets)
        counts = [count for _, count in buckets]
        assert counts == sorted(counts)
        assert buckets[-1] == (float("inf"), samples[f"{name}_count", labels])
        assert samples[f"{name}_sum", labels] >= 0


def scrape(service: Running) -> Samples:
    answer = service("GET", "/metrics", token=None)
    assert answer.status == 200, answer
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    return parsed(answer.body.decode("ascii"))


def sample(samples: Samples, name: str, **labels: str) -> float:
    return samples.get((f"audiostore_{name}", frozenset(labels.items())), 0.0)


def settled(service: Running, name: str, value: float, **labels: str) -> Samples:
    """Scrape until a sample has a value: a request is counted just after its response."""
    found: list[Samples] = []

    def is_there() -> bool:
        found.append(scrape(service))
        return sample(found[-1], name, **labels) == value

    wait_until(is_there, f"{name} is never {value}")
    return found[-1]


def test_requests_are_counted_by_the_templates_of_their_routes(service: Running) -> None:
    data = tone()
    audio_id = service.store(data)
    for _ in range(3):
        service("GET", f"/v1/assets/{audio_id}/audio")
    service("GET", "/v1/assets/nonsense")
    service("GET", f"/nothing/{TOKEN}")
    service("GET", f"/v1/assets?contains.title={audio_id}")
    audio = {"method": "GET", "route": "/v1/assets/{audio_id}/audio"}

    samples = settled(service, "http_requests_total", 3, **audio, status="200")

    assert sample(samples, "http_sent_bytes_total", **audio) == 3 * len(data)
    assert sample(samples, "http_request_duration_seconds_count", **audio) == 3
    create = {"method": "POST", "route": "/v1/assets"}
    assert sample(samples, "http_requests_total", **create, status="201") == 1
    assert sample(samples, "http_received_bytes_total", **create) == len(data)
    show = {"method": "GET", "route": "/v1/assets/{audio_id}"}
    assert sample(samples, "http_requests_total", **show, status="404") == 1
    assert sample(samples, "http_requests_total", method="GET", route="other", status="404") == 1
    assert sample(samples, "index_assets") == 1
    assert sample(samples, "http_requests_running") == 1
    assert sample(samples, "uploads_running") == 0
    labels = repr(list(samples))
    assert audio_id not in labels
    assert TOKEN not in labels


def test_what_clients_invent_makes_no_new_labels(local: Running) -> None:
    for number in range(5):
        local(f"MADE{number}", f"/path{number}")
    other = {"method": "other", "route": "other"}

    samples = settled(local, "http_request_duration_seconds_count", 5, **other)

    methods = {dict(labels).get("method") for _, labels in samples}
    routes = {dict(labels).get("route") for _, labels in samples}
    assert methods <= {None, "GET", "other"}
    assert routes <= {None, "/metrics", "other"}


def test_what_is_refused_at_the_gate_is_counted(local: Running) -> None:
    local("GET", "/v1/assets", token="another")

    settled(local, "http_requests_total", 1, method="GET", route="other", status="401")


@pytest.mark.slow
def test_a_listener_is_counted_until_it_has_gone(local: Running) -> None:
    audio_id = local.store(tone(seconds=400))
    connection = local.connect()
    try:
        connection.request(
            "GET", f"/v1/assets/{audio_id}/audio", headers={"Authorization": f"Bearer {TOKEN}"}
        )
        connection.getresponse().read(1000)
        settled(local, "listeners", 1)
    finally:
        connection.close()
    settled(local, "listeners", 0)


def test_there_are_figures_of_the_index_and_of_the_store(local: Running) -> None:
    local("GET", "/v1/assets")

    samples = scrape(local)

    assert sample(samples, "index_age_seconds") > 0
    assert samples["audiostore_store_retries_total", frozenset()] == 0


def test_elsewhere_than_on_this_machine_a_token_is_needed(tmp_path: Path) -> None:
    file = tmp_path / "tokens.txt"
    file.write_text(f"{token_hash('r')} read prometheus\n")
    with opened("local", tmp_path) as store, serving(store, access=TokenFile(file)) as service:
        assert service("GET", "/metrics", token=None).status == 401
        answer = service("GET", "/metrics", token="r", host="audio.example")
        assert parsed(answer.body.decode("ascii"))


def test_on_this_machine_only_its_own_names_lead_there(local: Running) -> None:
    assert local("GET", "/metrics", token=None, host="evil.example").status == 421
    assert local("POST", "/metrics", b"", token=None).status == 401


@pytest.mark.parametrize(
    "text",
    [
        "a_total 1\n",
        "# HELP a_total Help.\n# TYPE a_total counter\na_total 1",
        "# HELP a_total Help.\n# TYPE a_total counter\na_total 1\na_total 2\n",
        "# HELP a_total Help.\n# TYPE a_total counter\na_total{x=1} 1\n",
        "# HELP a_total Help.\n# TYPE a_total counter\na_total one\n",
        "# HELP a Help.\n# TYPE a counter\na 1\n",
        '# HELP a Help.\n# TYPE a histogram\na_bucket{le="1.0"} 1\na_sum 1\na_count 1\n',
    ],
)
def test_the_parser_of_these_tests_is_strict(text: str) -> None:
    with pytest.raises((AssertionError, ValueError, KeyError)):
        parsed(text)

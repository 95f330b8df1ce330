"""What is counted, and what it costs."""

from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from audiostore import ConfigurationError
from audiostore.catalog.prices import Rates
from audiostore.catalog.statistics import Statistics, Tally, summarise
from tests.catalog_samples import audio_ids, made_up, result

GIB = 1 << 30


@pytest.fixture
def statistics() -> Statistics:
    first, second, third = sorted(audio_ids(3))
    mp3, cover = made_up(1, first)
    flac, cold_cover = made_up(2, second)
    plain, _ = made_up(3, third)
    return summarise(
        [
            result(
                replace(
                    mp3,
                    size_bytes=GIB,
                    metadata={"duration_s": "1800.0"},
                    created_at=datetime(2026, 1, 31, 23, 59, tzinfo=UTC),
                ),
                replace(cover, size_bytes=GIB // 2),
            ),
            result(
                replace(
                    flac,
                    name=flac.name.replace("mp3", "flac"),
                    size_bytes=4 * GIB,
                    metadata={"duration_s": "1800.5"},
                    storage_class="COLDLINE",
                    created_at=datetime(2026, 2, 1, tzinfo=UTC),
                ),
                replace(cold_cover, size_bytes=GIB // 2),
            ),
            result(replace(plain, size_bytes=GIB, metadata={}), None),
        ]
    )


def test_the_total_is_of_all(statistics: Statistics) -> None:
    assert statistics.total == Tally(3, 6 * GIB, GIB, 3600.5)
    assert statistics.unknown_durations == 1


def test_it_counts_by_format_and_by_month(statistics: Statistics) -> None:
    mp3 = Tally(2, 2 * GIB, GIB // 2, 1800.0)
    flac = Tally(1, 4 * GIB, GIB // 2, 1800.5)
    assert statistics.by_format == {"flac": flac, "mp3": mp3}
    assert statistics.by_month == {"2026-01": mp3, "2026-02": flac}
    assert list(statistics.by_month) == ["2026-01", "2026-02"]


def test_artwork_counts_in_the_storage_class_that_it_has(statistics: Statistics) -> None:
    assert statistics.by_storage_class == {
        "COLDLINE": Tally(1, 4 * GIB, 0, 1800.5),
        "STANDARD": Tally(2, 2 * GIB, GIB, 1800.0),
    }


def test_other_parts_count_by_themselves_and_are_priced() -> None:
    audio_id = audio_ids(1)[0]
    audio = replace(made_up(1, audio_id)[0], size_bytes=GIB)
    waveform = replace(audio, name=f"audio/{audio_id}/waveform.dat", size_bytes=GIB)
    words = replace(audio, name=f"audio/{audio_id}/transcript.txt", size_bytes=2 * GIB)
    old = replace(audio, name=f"audio/{audio_id}/preview.mp3", storage_class="COLDLINE")
    asset = replace(
        result(audio, None),
        derived={"waveform": waveform},
        attached={"transcript": words},
        stale=(old,),
    )
    statistics = summarise([asset])
    audio_s = asset.duration_s or 0.0
    tally = Tally(1, GIB, 0, audio_s, derived_bytes=2 * GIB, attached_bytes=2 * GIB)
    assert statistics.total == tally
    assert tally.size_bytes == 5 * GIB
    assert statistics.by_storage_class == {
        "COLDLINE": Tally(derived_bytes=GIB),
        "STANDARD": Tally(1, GIB, 0, audio_s, derived_bytes=GIB, attached_bytes=2 * GIB),
    }
    assert Statistics.of_parts([statistics, statistics]).total.attached_bytes == 4 * GIB
    rates = Rates.read("region")
    expected = 4 * rates.prices["STANDARD"] + rates.prices["COLDLINE"]
    assert rates.monthly_cost(statistics).total == pytest.approx(expected)


def test_nothing_is_nothing() -> None:
    empty = summarise([])
    assert empty.total == Tally()
    assert empty.by_format == {}
    assert Rates.read("region").monthly_cost(empty).total == 0


def test_it_is_json(statistics: Statistics) -> None:
    values = statistics.to_dict()
    assert values["assets"] == 3
    assert values["hours"] == 1.0
    assert list(values)[-3:] == ["by_format", "by_month", "by_storage_class"]


def test_the_cost_is_that_of_each_storage_class(statistics: Statistics) -> None:
    cost = Rates.read("us-central1").monthly_cost(statistics)
    assert cost.by_storage_class == pytest.approx({"STANDARD": 0.06, "COLDLINE": 0.016})
    assert cost.total == pytest.approx(0.076)
    assert cost.unpriced_bytes == 0
    assert cost.to_dict()["read_on"] == "2026-09-20"


@pytest.mark.parametrize(
    ("location", "kind", "standard"),
    [
        ("US-CENTRAL1", "region", 0.020),
        ("europe-west3", "region", 0.020),
        ("US", "multi-region", 0.026),
        ("NAM4", "dual-region", 0.044),
        ("dual-region", "dual-region", 0.044),
    ],
)
def test_the_list_prices_go_by_where_a_bucket_is(location: str, kind: str, standard: float) -> None:
    rates = Rates.read(location)
    assert (rates.location, rates.currency) == (kind, "USD")
    assert rates.prices["STANDARD"] == standard
    assert rates.source == "https://cloud.google.com/storage/pricing"
    assert set(rates.prices) == {"STANDARD", "NEARLINE", "COLDLINE", "ARCHIVE"}
    assert sorted(rates.prices.values(), reverse=True) == list(rates.prices.values())


OWN = """
currency = "EUR"
[locations.region]
read_on = 2026-02-01
prices = { standard = 1 }
[locations.europe-west3]
title = "Frankfurt"
read_on = 2026-02-01
prices = { STANDARD = 2.0 }
"""


def test_a_table_of_ones_own_takes_the_place_of_the_list_prices(
    tmp_path: Path, statistics: Statistics
) -> None:
    table = tmp_path / "ours.toml"
    table.write_text(OWN)
    frankfurt = Rates.read("EUROPE-WEST3", table)
    assert (frankfurt.title, frankfurt.currency, frankfurt.source) == (
        "Frankfurt",
        "EUR",
        str(table),
    )
    assert frankfurt.read_on == date(2026, 2, 1)
    cost = Rates.read("us-west1", table).monthly_cost(statistics)
    assert cost.by_storage_class == {"STANDARD": 3.0}
    assert cost.unpriced_bytes == 4 * GIB
    with pytest.raises(ConfigurationError, match=r"no prices for 'EU', only for europe-west3, reg"):
        Rates.read("EU", table)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("currency", "not valid TOML"),
        ("currency = 'EUR'", r"no \[locations"),
        ("locations = 3", r"no \[locations"),
        ("[locations.region]\nread_on = 2026-02-01", "needs prices"),
        ("[locations.region]\nprices = { STANDARD = -1 }", "needs prices"),
        ("[locations.region]\nprices = { STANDARD = true }", "needs prices"),
        ("[locations.region]\nprices = { STANDARD = '1' }", "needs prices"),
        ("[locations]\nregion = 3", "needs prices"),
        ("[locations.region]\nprices = { STANDARD = 1 }", "needs read_on"),
    ],
)
def test_an_invalid_price_table_is_rejected(tmp_path: Path, text: str, reason: str) -> None:
    table = tmp_path / "ours.toml"
    table.write_text(text)
    with pytest.raises(ConfigurationError, match=reason):
        Rates.read("region", table)


def test_a_price_table_that_is_not_text_is_rejected(tmp_path: Path) -> None:
    table = tmp_path / "ours.toml"
    table.write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigurationError, match="not valid TOML"):
        Rates.read("region", table)


def test_parts_add_up_to_exactly_the_whole() -> None:
    assets = []
    for n, audio_id in enumerate(audio_ids(50)):
        audio, cover = made_up(n, audio_id)
        audio = replace(
            audio,
            metadata={"duration_s": f"{n * 0.1:.3f}"} if n % 7 else {},
            crc32c=audio.crc32c if n % 5 else None,
            storage_class="COLDLINE" if n % 3 else "STANDARD",
            created_at=datetime(2026, 1 + n % 4, 1, tzinfo=UTC),
        )
        assets.append(result(audio, cover if n % 2 else None))
    whole = summarise(assets)
    assert whole.unverified == whole.unknown_durations + 2 == 10
    for count in (1, 2, 7, 50):
        parts = [summarise(assets[number::count]) for number in range(count)]
        assert Statistics.of_parts(parts) == whole
    assert Statistics.of_parts([]) == summarise([])

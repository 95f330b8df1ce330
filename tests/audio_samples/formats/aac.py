"""Samples of AAC in ADTS, and in ADIF."""

from collections.abc import Mapping

from tests.audio_samples.making import Sample, encode, example, id3

SAMPLES: Mapping[str, Sample] = {
    "aac": (".aac", "aac", lambda: encode("adts", "aac")),
    "aac after ID3": (".aac", "aac", lambda: id3() + SAMPLES["aac"][2]()),
    "aac example": (".aac", "aac", lambda: example(".aac")),
}


def adif() -> bytes:
    """Return the sample "aac" without its frames' headers, after one header for all of it."""
    # ISO/IEC 14496-3, 1.A.2 and 4.4.1.1: each field's value, and how many bits it has.
    header = [(0, 3), (1, 1), (96_000, 23), (0, 4)]  # of variable rate; one programme
    programme = [(0, 4), (1, 2), (3, 4), (1, 4), (0, 4), (0, 4), (0, 2), (0, 3), (0, 4)]
    front = [(0, 3), (0, 1), (0, 4)]  # no mix-downs; a single channel
    bits = "".join(f"{value:0{count}b}" for value, count in header + programme + front)
    bits += "0" * (-len(bits) % 8) + "0" * 8  # no comment
    data, at, blocks = SAMPLES["aac"][2](), 0, []
    while at < len(data):
        size = (data[at + 3] & 3) << 11 | data[at + 4] << 3 | data[at + 5] >> 5
        blocks.append(data[at + 7 : at + size])
        at += size
    return b"ADIF" + int(bits, 2).to_bytes(len(bits) // 8, "big") + b"".join(blocks)

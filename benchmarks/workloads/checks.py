"""Listing, checking, decoding and measuring everything."""

from benchmarks.contest import lineup
from benchmarks.contest.targets import CPU, OnTop, Within
from benchmarks.contest.workload import Workload, exits_with_0
from benchmarks.workloads.files import Files

_FAR_MS = 150
_RULES = "the rules take 25 to 30 µs of Python an asset, beside the 50 µs of reading it"
_START = "some 0.4 s are the start of Python and of a worker, once for all assets"


def workloads(files: Files) -> list[Workload]:
    """Return the workloads, with the version before."""
    seconds = files.one_second
    return [
        *(
            Workload(
                key,
                f"{verb} {files.listed.title}, each response delayed by {_FAR_MS} ms",
                files.listed,
                lineup.peers_that_list(action),
                [Within(1.5, lineup.FIND, reason=reason)],
                outcome=exits_with_0,
                preloaded=files.listed_assets,
                delay_ms=_FAR_MS,
                counts_bytes=False,
            )
            for key, verb, action, reason in (
                ("list", "listing", "list-all", ""),
                ("check", "checking", "check", _RULES),
            )
        ),
        Workload(
            "check-deep",
            f"checking {seconds.title}, decoded",
            seconds,
            lineup.peers_that_decode(action="check-deep", action_before="check-deep-as-before"),
            [
                OnTop(5, [lineup.DECODING], _START),
                Within(0.25, lineup.BEFORE, reason=_START),
            ],
            outcome=exits_with_0,
            is_filled=True,
            counts_bytes=False,
        ),
        Workload(
            "check-full",
            f"{seconds.title}, stored once they are decoded (check full)",
            seconds,
            lineup.peers_that_decode(
                lineup.ours("upload", lineup.QUICK), action="upload-fully-checked"
            ),
            [OnTop(5, [lineup.QUICK, lineup.DECODING])],
            counts_bytes=False,
        ),
        Workload(
            "analyse",
            f"{files.minutes.title}, stored with loudness and waveform",
            files.minutes,
            lineup.peers_that_measure("upload-analysed"),
            [Within(1.15, lineup.MEASURING, CPU)],
            outcome=exits_with_0,
            counts_bytes=False,
        ),
    ]

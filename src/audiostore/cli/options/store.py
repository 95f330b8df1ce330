"""Options of the commands on a whole store, and on none."""

from __future__ import annotations

from audiostore.cli.options.adding import Add, add_check

SHELLS = ("bash", "zsh", "tcsh")


def add_store_commands(add: Add) -> None:
    """Declare probe, doctor and completion."""
    probe = add(
        "probe",
        "say what is inside audio files, and whether they could be stored",
        "audiostore probe --check full *.mp3",
        bucket=False,
        run="store.probe",
    )
    probe.add_argument("files", metavar="FILE", nargs="+", help="an audio file")
    add_check(probe)

    add(
        "doctor",
        "say which store is used, as whom, whether it works, and if not what to do",
        "audiostore doctor --bucket gs://my-bucket",
        run="store.doctor",
    )

    completion = add(
        "completion",
        "print a script that completes this command's options in a shell",
        "audiostore completion bash > ~/.local/share/bash-completion/completions/audiostore",
        json=False,
        run="store.completion",
    )
    completion.add_argument("shell", metavar="SHELL", choices=SHELLS, help=" or ".join(SHELLS))

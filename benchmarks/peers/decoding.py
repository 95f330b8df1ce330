"""FFmpeg alone: all audio of the tree is decoded from local files, in one process and thread."""

import av

from benchmarks.peers.job import Job, run


def decode(job: Job) -> None:
    """Decode each file to its end."""
    files = 0
    for name in job.names:
        if "/audio." in name:
            with av.open(str(job.path(name))) as file:
                for _ in file.decode(audio=0):
                    pass
            files += 1
    assert files == job.assets


if __name__ == "__main__":
    run({"decode": decode})

"""Files that are written: what is left of one that is given up."""

import os
from pathlib import Path

import pytest

from audiostore import files


def test_ctrl_c_while_a_file_is_created_leaves_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    create = os.open

    def interrupted(path: Path, flags: int, mode: int) -> int:
        os.close(create(path, flags, mode))
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "open", interrupted)
    with pytest.raises(KeyboardInterrupt), files.whole_file(tmp_path / "song.mp3"):
        pass
    assert list(tmp_path.iterdir()) == []

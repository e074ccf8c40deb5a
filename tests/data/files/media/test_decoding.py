"""Videos and pictures that cannot be decoded."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.data.made import media

from dmrnet.data.files.media.decoding import first_frame, picture, sound_of

pytest.importorskip("av", reason="video files need the extra audio-video")


def test_files_that_cannot_be_decoded_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not a readable video"):
        first_frame(b"FLV nothing of that kind")
    with pytest.raises(ValueError, match="not a readable picture"):
        picture(b"\xff\xd8\xff nothing", 8, 8)
    path = tmp_path / "a.mp4"
    media.video(path, [(0, 0, 0)] * 5, "mpeg4")
    with pytest.raises(ValueError, match="has no sound"):
        sound_of(path.read_bytes(), 16_000)
    with pytest.raises(ValueError, match=r"is short: 0\.5 s"):
        first_frame(path.read_bytes(), 3)

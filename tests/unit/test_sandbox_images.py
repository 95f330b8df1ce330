"""Images are decoded in the sandbox: the same answers, within limits, whatever they contain."""

import io
import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from PIL import Image

from audiostore.errors import InvalidImageError, UnplayableAudioError
from audiostore.media.artwork import check_image, scale_image
from audiostore.media.images import identify_image
from audiostore.media.info import IMAGE_MEMORY_BYTES
from audiostore.media.sandbox import pool as pool_module
from audiostore.media.sandbox.output import OutputFile
from audiostore.media.sandbox.pool import SandboxPool
from audiostore.media.sandbox.process import Response
from audiostore.media.sandbox.worker import Request
from tests.hostile_files import jpeg_of_scans, webp_of_one_colour
from tests.sandbox_child import HostileWorker
from tests.unit.test_artwork import COVERS, ENDINGS, EXAMPLES, exif, picture, png_of

MIB = 1 << 20


@pytest.fixture(scope="module")
def pool() -> Iterator[SandboxPool]:
    with SandboxPool() as found:
        yield found


def _in_mode(mode: str) -> bytes:
    out = io.BytesIO()
    Image.linear_gradient("L").resize((64, 32)).convert(mode).save(out, "PNG")
    return out.getvalue()


IMAGES: dict[str, Callable[[], bytes]] = {
    **{name: (EXAMPLES / name).read_bytes for name in COVERS},
    **{name: (lambda name=name: ENDINGS[name]) for name in ENDINGS},  # type: ignore[misc]
    **{f"PNG in mode {mode}": (lambda mode=mode: _in_mode(mode)) for mode in ("1", "LA", "P")},  # type: ignore[misc]
    "JPEG in CMYK": lambda: picture("JPEG", (64, 32), "CMYK"),
    "JPEG turned": lambda: picture("JPEG", (64, 32), exif=exif(6)),
    "PNG turned": lambda: picture("PNG", (64, 32), exif=exif(7)),
    "WebP turned": lambda: picture("WEBP", (64, 32), exif=exif(8)),
    "PNG with too few pixels": lambda: png_of(200, 200),
    "JPEG without tables": lambda: picture("JPEG").replace(b"\xff\xdb", b"\xff\xfe"),
    "WebP with noise": lambda: picture("WEBP", (64, 64))[:60] + bytes(range(200)) * 9,
}


def _outcome(look: Callable[[], object]) -> object:
    try:
        return look()
    except InvalidImageError as error:
        return str(error)


@pytest.mark.parametrize("name", IMAGES)
def test_the_sandbox_answers_as_pillow_does_here(pool: SandboxPool, name: str) -> None:
    data = IMAGES[name]()
    try:
        kind = identify_image(data).format_name
    except InvalidImageError:
        pytest.fail("it is to get as far as Pillow")
    here = _outcome(lambda: check_image(data))
    assert _outcome(lambda: pool.decode_image(data, kind)) == (here if type(here) is str else None)
    for max_px in (16, 100, 5000):
        scaled = _outcome(lambda px=max_px: scale_image(data, px))  # type: ignore[misc]
        expected = None if scaled == data else scaled
        assert _outcome(lambda px=max_px: pool.decode_image(data, kind, px)) == expected  # type: ignore[misc]


def _peak_mib(pool: SandboxPool) -> float:
    (worker,) = pool._workers
    status = Path(f"/proc/{worker._process.pid}/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def test_thirty_bytes_that_ask_for_a_gigabyte_do_not_get_it() -> None:
    data = webp_of_one_colour(9_400, 9_400)
    assert len(data) < 40
    assert identify_image(data).width == 9_400
    with SandboxPool() as pool:
        assert pool.decode_image(webp_of_one_colour(300, 300), "WebP", 1000) is None
        for max_px in (None, 300):
            with pytest.raises(InvalidImageError, match="more than 512 MiB of memory to decode"):
                pool.decode_image(data, "WebP", max_px)
        assert _peak_mib(pool) < 200


@pytest.mark.slow
def test_a_large_image_is_scaled_within_its_memory() -> None:
    out = io.BytesIO()
    Image.new("RGB", (7_000, 7_000), "red").save(out, "JPEG", exif=exif(6))
    with SandboxPool() as pool:
        small = pool.decode_image(out.getvalue(), "JPEG", 100)
        assert small is not None
        assert identify_image(small).width == 100
        assert _peak_mib(pool) < 100 + IMAGE_MEMORY_BYTES / MIB


def test_a_jpeg_of_thousands_of_scans_is_refused_by_its_structure() -> None:
    assert identify_image(jpeg_of_scans(64, 100)).width == 64
    with pytest.raises(InvalidImageError, match="more than 100 scans"):
        identify_image(jpeg_of_scans(64, 5_000))


@pytest.mark.slow
def test_an_image_that_takes_too_long_is_refused_and_the_next_is_not() -> None:
    with SandboxPool(cpu_s=0.2) as pool:
        with pytest.raises(InvalidImageError, match=r"JPEG image.* more than 0\.2 s of CPU time"):
            pool.decode_image(jpeg_of_scans(3_000, 100), "JPEG")
        assert pool.decode_image(picture("JPEG"), "JPEG") is None


@pytest.mark.slow
def test_one_worker_is_enough_for_audio_and_images_if_they_are_expected() -> None:
    with SandboxPool() as pool:
        pool.expect_images()
        pool.probe(EXAMPLES / "morning-in-c.mp3", "MP3")
        (worker,) = pool._workers
        pool.decode(EXAMPLES / "morning-in-c.mp3", "MP3")
        assert pool.decode_image(picture("JPEG"), "JPEG", 10)
        assert pool._workers == [worker]


class CountingPool(SandboxPool):
    """Counts what its workers are asked."""

    asked = 0

    def _run(
        self,
        request: Request,
        descriptor: int,
        path: Path | None,
        output: OutputFile | None = None,
        *,
        alone: bool = False,
    ) -> Response:
        self.asked += 1
        return super()._run(request, descriptor, path, output, alone=alone)


def test_a_shared_cover_is_decoded_once() -> None:
    cover, other = picture("JPEG", (200, 200)), picture("JPEG", (200, 201))
    broken = png_of(200, 200)
    with CountingPool(limit=2) as pool, ThreadPoolExecutor(8) as threads:
        scaled = list(threads.map(lambda _: pool.decode_image(cover, "JPEG", 50), range(40)))
        assert len({*scaled}) == 1
        assert pool.asked == 1
        assert pool.decode_image(cover, "JPEG", 60) != scaled[0]
        assert pool.decode_image(other, "JPEG", 50) != scaled[0]
        assert pool.asked == 3
        for _ in range(3):
            with pytest.raises(InvalidImageError, match="the PNG image is broken"):
                pool.decode_image(broken, "PNG")
        assert pool.asked == 4


def test_only_the_last_few_covers_are_remembered() -> None:
    with CountingPool() as pool:
        pool._images._limit = 3
        covers = [picture("JPEG", (20, 20 + n)) for n in range(5)]
        for cover in (*covers, covers[4], covers[0]):
            pool.decode_image(cover, "JPEG", 10)
        assert pool.asked == 6
        kept = [entry.result for entry in pool._images._entries.values()]
        assert len(kept) == 3
        assert pool._images._size_bytes == sum(len(each) for each in kept if type(each) is bytes)
        pool._images._limit_bytes = 1
        pool.decode_image(covers[1], "JPEG", 10)
        assert len(pool._images._entries) == pool._images._size_bytes == 0


# -- what a worker answers that is under a file's control ----------------------------------------


@pytest.fixture(scope="module")
def lying(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxPool]:
    """A pool of workers that answer what the file says."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pool_module, "WorkerProcess", HostileWorker)
        with SandboxPool() as found:
            yield found


@pytest.mark.parametrize(
    "answer",
    [
        b"no picture",
        picture("PNG", (10, 10)),  # another format
        picture("JPEG", (11, 10)),  # too large
        picture("JPEG", (10, 10))[:-9],
        b"\xff\xd8\xff" + bytes(21_000_000),
    ],
    ids=["text", "other format", "too large", "cut", "too many bytes"],
)
def test_what_comes_back_as_a_scaled_image_is_checked(lying: SandboxPool, answer: bytes) -> None:
    with pytest.raises(InvalidImageError, match="Pillow returns invalid results"):
        lying.decode_image(b"{}\n" + answer, "JPEG", 10)
    good = picture("JPEG", (10, 10))
    assert lying.decode_image(b"{}\n" + good, "JPEG", 10) == good


@pytest.mark.parametrize("answer", [[], 1, {}, {"refused": 1}, {"errno": "x"}, {"errno": -1}])
def test_answers_of_another_shape_are_refused(
    lying: SandboxPool, tmp_path: Path, answer: object
) -> None:
    (tmp_path / "song").write_text(json.dumps(answer) + "\n")
    for look in (lying.probe, lying.decode):
        with pytest.raises(UnplayableAudioError, match="FFmpeg returns invalid results"):
            look(tmp_path / "song", "MP3")


def test_the_reason_of_a_refusal_is_clean_text_of_limited_length(
    lying: SandboxPool, tmp_path: Path
) -> None:
    (tmp_path / "song").write_text(json.dumps({"refused": "\x1b[2Jno\n" + "x" * 10_000}) + "\n")
    with pytest.raises(UnplayableAudioError) as caught:
        lying.probe(tmp_path / "song", "MP3")
    text = str(caught.value)
    assert text.startswith("[2Jno xxx")
    assert text.isprintable()
    assert len(text) <= 2_000

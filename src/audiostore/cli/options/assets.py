"""Options of the commands on single assets."""

from __future__ import annotations

from audiostore.cli.options.adding import Add, add_check, add_id, key_and_value, positive
from audiostore.cli.options.bulk import add_many_to_get, add_many_to_put


def add_asset_commands(add: Add) -> None:
    """Declare put, get and show."""
    put = add(
        "put",
        "store audio files, with their artwork; print their ids",
        "audiostore put song.mp3 --thumbnail cover.jpg --meta artist='Nina Simone'\n"
        "  audiostore put ~/Music --dry-run",
        run="one_or_many.put",
    )
    put.add_argument(
        "files",
        metavar="FILE",
        nargs="*",
        help="the audio file; or several, or directories: then an image of the same name, or else "
        "cover, folder or front (.jpg, .png, .webp) beside a file is its artwork",
    )
    put.add_argument("--thumbnail", metavar="FILE", help="its artwork: JPEG, PNG or WebP")
    put.add_argument(
        "--id",
        dest="audio_id",
        metavar="UUID",
        help="the id to store it under (default: a new one)",
    )
    put.add_argument(
        "--meta",
        metavar="KEY=VALUE",
        action="append",
        type=key_and_value,
        default=[],
        help="something of yours to keep with it; may be repeated",
    )
    for tag in ("title", "artist", "album"):
        put.add_argument(
            f"--{tag}", metavar="TEXT", help=f"its {tag}, instead of what the file says"
        )
    add_check(put)
    put.add_argument(
        "--no-artwork",
        action="store_true",
        help="leave artwork in the audio file, where none is given (default: store it beside)",
    )
    put.add_argument(
        "--thumbnail-max-px",
        metavar="N",
        type=positive,
        help="scale artwork down to N pixels on its longer side",
    )
    put.add_argument(
        "--faststart",
        action="store_true",
        help="put the index of an MP4 file in front, without loss, so that it plays at once",
    )
    put.add_argument(
        "--public",
        action="store_true",
        help="let shared caches keep what is served (default: only the listener's own player)",
    )
    put.add_argument(
        "--supersedes",
        metavar="ID",
        help="the asset whose place it takes: each of the two will name the other",
    )
    put.add_argument(
        "--trash-superseded",
        action="store_true",
        help="delete the superseded asset, once this one is stored",
    )
    put.add_argument(
        "--cleanup",
        action="store_true",
        help="delete the local files once they are stored and verified",
    )
    add_many_to_put(put)

    get = add(
        "get",
        "fetch the audio of assets, or their artwork, into files",
        "audiostore get 3f2b8c1e-7d4a-4e6f-9a1b-2c3d4e5f6a7b -o song.mp3\n"
        "  audiostore get --all --to backup",
        run="one_or_many.get",
    )
    get.add_argument("audio_ids", metavar="ID", nargs="*", help="an asset's id, or several")
    get.add_argument(
        "-o",
        "--output",
        metavar="PATH",
        help="the file to write, replaced if it exists; a directory; or '-' for standard output "
        "(default: the file's original name, in this directory, never replacing another)",
    )
    get.add_argument(
        "--part",
        choices=("audio", "thumbnail"),
        default="audio",
        help="what to fetch (default: audio)",
    )
    add_many_to_get(get)

    show = add(
        "show",
        "show all that is known of an asset",
        "audiostore show 3f2b8c1e-7d4a-4e6f-9a1b-2c3d4e5f6a7b",
        run="assets.show",
    )
    add_id(show)

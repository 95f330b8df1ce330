"""Set or replace the artwork of an asset."""

from __future__ import annotations

from audiostore.cli.consent import has_consent, print_plan
from audiostore.cli.declare import AssetOptions, ConsentOptions, argument, flag
from audiostore.cli.store import opened, warn

GROUP = "store and fetch"
EXAMPLE = "audiostore cover 3f2b8c1e-7d4a-4e6f-9a1b-2c3d4e5f6a7b front.jpg"


class Options(AssetOptions, ConsentOptions):
    """Options of `cover`."""

    file: str = argument("FILE", "the image: JPEG, PNG or WebP", is_file=True)
    fix_extension: bool = flag(
        help="accept a file whose extension does not match its content, and go by the content"
    )
    public: bool = flag(
        help="let shared caches, such as a CDN, keep the file (default: only the player's own)"
    )


def run(options: Options) -> int:
    """Store the artwork, after asking if it replaces another."""
    from audiostore.cli.listing import print_asset, row  # noqa: PLC0415  (not for --help)
    from audiostore.cli.progress.asset import AssetProgress  # noqa: PLC0415
    from audiostore.ingest import UploadOptions, prepare_image  # noqa: PLC0415

    progress = AssetProgress()
    with opened(options, progress) as manager, progress:
        present = manager.get(options.audio_id)
        with prepare_image(
            options.file, UploadOptions(fix_extension=options.fix_extension)
        ) as item:
            action = f"store {item.filename} ({item.content_type}) as the artwork of"
            facts = {"filename": item.filename, "content_type": item.content_type}
        if options.dry_run:
            print_plan(options, f"{action} {present.audio_id}", present.audio_id, **facts)
            return 0
        if present.thumbnail and not has_consent(
            options, f"{row(present)}\nReplace its artwork? 'audiostore restore' cannot undo this"
        ):
            return 1
        asset = manager.upload_thumbnail_file(
            options.file,
            options.audio_id,
            fix_extension=options.fix_extension,
            cache="public" if options.public else "private",
        )
    print_asset(asset, as_json=options.json)
    warn(asset)
    return 0

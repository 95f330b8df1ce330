"""Set or replace the artwork of assets."""

from __future__ import annotations

from audiostore.cli.choosing import AssetsOptions, choosing
from audiostore.cli.consent import has_consent_to, will_ask
from audiostore.cli.declare import ConsentOptions, argument, flag
from audiostore.cli.each import Report, planned, with_each
from audiostore.cli.selection import Chosen

GROUP = "store and fetch"
EXAMPLE = """\
audiostore cover 3f2b8c1e-7d4a-4e6f-9a1b-2c3d4e5f6a7b front.jpg
audiostore cover --album 'Pastel Blues' --without-thumbnail front.jpg"""


class Options(AssetsOptions, ConsentOptions):
    """Options of `cover`."""

    file: str = argument("FILE", "the image: JPEG, PNG or WebP", files="images")
    fix_extension: bool = flag(
        help="accept a file whose extension does not match its content, and go by the content"
    )
    public: bool = flag(
        help="let shared caches, such as a CDN, keep the file (default: private caches only)"
    )


def run(options: Options) -> int:
    """Store the artwork, after asking if it replaces another, or no ID was given."""
    from audiostore.cli.listing import facts_block, row  # noqa: PLC0415  (not for --help)
    from audiostore.cli.progress.asset import AssetProgress  # noqa: PLC0415
    from audiostore.ingest import UploadOptions, prepare_image  # noqa: PLC0415

    progress = AssetProgress() if len(options.audio_ids) == 1 else None
    with choosing(options, on_event=progress) as chosen:
        with prepare_image(
            options.file, UploadOptions(fix_extension=options.fix_extension)
        ) as item:
            action = f"store {item.filename} ({item.content_type}) as the artwork of"
            facts = {"filename": item.filename, "content_type": item.content_type}

        def plan(each: Chosen) -> Report:
            audio_id = chosen.asset(each).audio_id
            return planned(f"{action} {audio_id}", audio_id, **facts)

        def store(each: Chosen) -> Report:
            chosen.asset(each)  # artwork without audio would wait for it
            asset = chosen.manager.upload_thumbnail_file(
                options.file,
                each.audio_id,
                fix_extension=options.fix_extension,
                cache="public" if options.public else "private",
            )
            text = facts_block(asset) if chosen.is_single else row(asset)
            return Report(asset, text, about=asset)

        if options.dry_run:
            return with_each(chosen, plan, "planned")
        chosen.fix()
        replaces = not chosen.is_single or (
            will_ask(options) and chosen.asset(next(iter(chosen))).thumbnail is not None
        )
        its = "its artwork" if chosen.is_single else f"the artwork of {chosen.these}"
        question = f"Replace {its}? 'audiostore restore' cannot undo this"
        if replaces and not has_consent_to(options, chosen, question):
            return 1
        if progress is None:
            return with_each(chosen, store, "given the artwork")
        with progress:
            return with_each(chosen, store)

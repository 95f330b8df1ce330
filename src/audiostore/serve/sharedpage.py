"""The page of a share link: a player for one asset, for people, link previews and frames."""

import base64
from hashlib import sha256
from html import escape
from typing import Final

from audiostore.values import StorageResult

_STYLE: Final = (
    ":root{color-scheme:light dark;font:16px/1.5 system-ui,sans-serif}"
    "body{margin:0;display:grid;place-items:center;min-height:100vh}"
    "main{display:flex;gap:1rem;align-items:center;width:min(40rem,100% - 2rem);padding:1rem 0}"
    "img{width:7rem;height:7rem;object-fit:cover;border-radius:8px;flex:none}"
    "div{flex:1;min-width:0}h1{font-size:1.1rem;margin:0}p{margin:0 0 .5rem;opacity:.75}"
    "audio{width:100%}"
    "@media(max-width:26rem){img{width:4rem;height:4rem}}"
)
_STYLE_HASH: Final = base64.b64encode(sha256(_STYLE.encode()).digest()).decode()
POLICY: Final = (
    f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; img-src 'self'; media-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors *"
)
"""Of these pages: any site may frame them, and they run no script."""


def page_of(asset: StorageResult, url: str, oembed: str) -> str:
    """Return the page of an asset.

    Args:
        asset: what is shared.
        url: of the page itself; below it are ``/audio``, ``/preview`` and ``/thumbnail``.
        oembed: the URL that describes it to sites that embed it (oembed.com).
    """
    title, line = name_of(asset), byline_of(asset)
    sources = "".join(
        f'<source src="{escape(f"{url}/{part}")}" type="{escape(asset.parts[part].content_type)}">'
        for part in ("audio", "preview")
        if part in asset.parts
    )
    picture = ""
    properties = [
        ("og:type", "music.song"),
        ("og:title", title),
        ("og:url", url),
        ("og:audio", f"{url}/audio"),
        ("og:audio:type", asset.content_type),
    ]
    if line:
        properties.append(("og:description", line))
    if asset.has_thumbnail:
        properties.append(("og:image", f"{url}/thumbnail"))
        picture = f'<img src="{escape(f"{url}/thumbnail")}" alt="">'
    if asset.duration_s is not None:
        properties.append(("music:duration", str(round(asset.duration_s))))
    metas = "".join(
        f'<meta property="{name}" content="{escape(content)}">' for name, content in properties
    )
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="robots" content="noindex">'
        f"<title>{escape(title)}</title>{metas}"
        f'<link rel="alternate" type="application/json+oembed" href="{escape(oembed)}" '
        f'title="{escape(title)}"><style>{_STYLE}</style></head><body><main>{picture}<div>'
        f"<h1>{escape(title)}</h1><p>{escape(line)}</p>"
        f'<audio controls preload="metadata">{sources}</audio></div></main></body></html>'
    )


def refusal(sentence: str) -> str:
    """Return the page of a link that leads nowhere."""
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>audiostore</title>'
        f"<style>{_STYLE}</style></head><body><main><div><h1>{escape(sentence)}</h1></div></main>"
        "</body></html>"
    )


def name_of(asset: StorageResult) -> str:
    """Return what an asset is called."""
    return asset.title or asset.original_filename or asset.audio_id


def byline_of(asset: StorageResult) -> str:
    """Return artist and album; "" if neither is known."""
    return " \N{EN DASH} ".join(filter(None, (asset.artist, asset.album)))

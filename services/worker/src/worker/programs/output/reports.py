"""Pages for people, of Markdown or HTML. What is in them cannot run."""

import html as escaping
from typing import Any

import mcpanel_step as step
import nh3
from markdown_it import MarkdownIt
from programs import templates

_STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:48rem;margin:2rem auto;padding:0 1rem;color:#222}"
    "table{border-collapse:collapse}td,th{border:1px solid #ccc;padding:.3rem .6rem;text-align:left}"
    "pre{background:#f6f6f6;padding:.8rem;overflow:auto}img{max-width:100%}"
)
_TAGS = nh3.ALLOWED_TAGS | {"figure", "figcaption", "section", "article", "header", "footer"}


def write(settings: dict[str, Any], inputs: dict[str, Any]) -> dict[str, Any]:
    """Writes the page; its artifacts' records."""
    name = settings.get("name") or "report"
    is_html = settings.get("format") == "html"
    text = templates.render(settings["template"], inputs, html=is_html)
    stored = []
    body = text
    if not is_html:
        stored.append(step.artifact(f"{name}.md", text.encode(), "text/markdown"))
        body = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"]).render(text)
    page = _page(name, clean(body))
    stored.append(step.artifact(f"{name}.html", page.encode(), "text/html"))
    step.preview({"text/markdown": text[:16_000]} if not is_html else {"text/html": clean(body)[:16_000]})
    return {"artifacts": stored}


def clean(body: str) -> str:
    """The HTML without scripts, handlers, frames, forms, links that run something and pictures from elsewhere."""
    schemes = {"http", "https", "mailto", "data"}
    return str(nh3.clean(body, tags=_TAGS, url_schemes=schemes, attribute_filter=_kept))


def _kept(tag: str, attribute: str, value: str) -> str | None:
    """The attribute's value; None for what would be loaded when the page is opened."""
    is_loaded = attribute in ("src", "srcset", "background") or (tag != "a" and attribute == "href")
    return None if is_loaded and not value.strip().lower().startswith("data:image/") else value


def _page(title: str, body: str) -> str:
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{escaping.escape(title)}</title>'
        f"<style>{_STYLE}</style></head>\n<body>\n{body}\n</body></html>\n"
    )

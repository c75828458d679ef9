"""A report as one HTML file, which asks nobody for anything."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Mapping
from importlib import resources

from byok8s import __version__
from byok8s.report import charts, phrases, tables, told
from byok8s.report.data import packed
from byok8s.report.figures import Figures
from byok8s.report.file import MARK
from byok8s.report.html import Html, el
from byok8s.report.told import Tail


def page(found: Figures, tails: Mapping[str, Tail]) -> bytes:
    """Return the page. tails: by the names of jobs, as far as they are known."""
    sections = [
        told.overview(found),
        told.failures(found, tails),
        charts.time(found),
        charts.over_time(found),
        tables.rules(found),
        tables.files(found),
        tables.workers(found),
        tables.tries(found),
        told.asked(found),
        told.methods(found),
    ]
    body = el("main", told.head(found), *sections, id="main")
    licence, library = _asset("vendor/uPlot.LICENSE"), _asset("vendor/uPlot.iife.min.js")
    scripts = [f"/*! uPlot\n\n{licence}*/\n{library}", _asset("page.js")]
    data = Html(f'<script type="application/octet-stream" id="data">{packed(found)}</script>')
    whole = el(
        "html",
        _meta(found, scripts),
        el(
            "body",
            el("a", "Skip to the report", href="#main", class_="skip"),
            body,
            data,
            *(Html(f"<script>{script}</script>") for script in scripts),
        ),
        lang="en",
    )
    # of a file's name that is no UTF-8 there are surrogates
    return MARK + whole.encode("utf-8", "backslashreplace") + b"\n"


def _meta(found: Figures, scripts: Iterable[str]) -> Html:
    """Return the head. Whatever a name or a log holds, no script but the page's own is run."""
    hashes = " ".join(f"'sha256-{_hash(script)}'" for script in scripts)
    policy = f"default-src 'none'; script-src {hashes}; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
    style = f"{_asset('vendor/uPlot.min.css')}{_asset('page.css')}"
    return el(
        "head",
        el("meta", charset="utf-8"),
        Html(f'<meta http-equiv="Content-Security-Policy" content="{policy}">'),
        el("meta", name="viewport", content="width=device-width, initial-scale=1"),
        el("meta", name="color-scheme", content="light dark"),
        el("meta", name="generator", content=f"byok8s {__version__}"),
        el("title", f"{found.run}: {phrases.state(found)}"),
        Html(f"<style>{style}</style>"),
    )


def _hash(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


def _asset(name: str) -> str:
    return (resources.files("byok8s.report") / name).read_text(encoding="utf-8")

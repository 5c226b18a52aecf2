"""The page at the root for as long as there is no console: what runs here and where to go on."""

import base64
import hashlib
from collections.abc import Mapping
from html import escape
from typing import Final

STYLE: Final = """
:root { color-scheme: light dark; font: 1rem/1.5 system-ui, sans-serif; }
body { max-width: 44rem; margin: 3rem auto; padding: 0 1rem; }
h1 { font-size: 1.6rem; margin-bottom: 0; }
table { border-collapse: collapse; width: 100%; margin: 1.5rem 0; }
th, td { text-align: left; padding: .4rem .6rem .4rem 0; border-bottom: 1px solid #8885; }
code { font-family: ui-monospace, monospace; font-size: .9em; }
"""
PURPOSE: Final = {
    "System": "tenants, users, tokens, resources, audit",
    "Meta": "the catalog: datasources, databases, tables, fields",
    "ETL": "files, data tables, tasks, runs",
}


def content_security_policy() -> str:
    """Nothing may be loaded but the page's own style."""
    digest = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
    return f"default-src 'none'; style-src 'sha256-{digest}'; frame-ancestors 'none'; base-uri 'none'"


def page(*, version: str, prefixes: Mapping[str, str]) -> str:
    """The HTML of embedded mode, complete in itself; `prefixes` maps a service to the prefix of its paths."""
    rows = "\n".join(_row(title, prefix, _metrics(prefix)) for title, prefix in prefixes.items())
    return _page(
        f"Version {version}, embedded mode: three services and a runner in one process.",
        rows,
        "your user name, password and tenant; the first passwords lie in a file whose path was printed at the"
        " start.",
        '<a href="/health/live">live</a> · <a href="/health/ready">ready</a>',
    )


def team_page(*, version: str, prefixes: Mapping[str, str]) -> str:
    """As `page`, for services and runners of their own behind a gateway."""
    rows = "\n".join(_row(title, prefix, _ready(prefix)) for title, prefix in prefixes.items())
    return _page(
        f"Version {version}: services and runners behind a gateway.",
        rows,
        "your user name, password and tenant; the administrator&#x27;s first password lies in the file that"
        " <code>make init</code> named.",
        '<a href="/health">gateway</a>',
    )


def _page(title: str, rows: str, password: str, links: str) -> str:
    return f"""<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>Penstock</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><style>{STYLE}</style></head>
<body>
<h1>Penstock</h1>
<p>{escape(title)}</p>
<table>
<thead><tr><th>Service</th><th>For</th><th>Interface</th></tr></thead>
<tbody>
{rows}
</tbody>
</table>
<p>Begin with a token: <code>POST /api/system/v1/oauth/token</code> with <code>grant_type=password</code>,
{password}
Then send <code>Authorization: Bearer ...</code> with every request.</p>
<p>{links} · how to go on: <code>README.md</code>
and <code>docs/</code> beside the program.</p>
</body>
</html>
"""


def _row(title: str, prefix: str, more: str) -> str:
    links = f'<a href="{prefix}/openapi.json">OpenAPI</a> · {more}'
    return f"<tr><td>{escape(title)}</td><td>{escape(PURPOSE.get(title, ''))}</td><td>{links}</td></tr>"


def _metrics(prefix: str) -> str:
    return f'<a href="{prefix}/metrics">metrics</a>'


def _ready(prefix: str) -> str:
    return f'<a href="{prefix}/health/ready">ready</a>'

"""The frame of a web page in one file: it loads nothing, so it works without a server and without a network."""

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
{body}
{script}</body>
</html>
"""


def web_page(title: str, style: str, body: str, script: str = "") -> str:
    """Returns the HTML of a page; `title` is escaped already, and images in `body` are data addresses."""
    policy = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
    if script:
        policy, script = f"{policy}; script-src 'unsafe-inline'", f"<script>{script}</script>\n"
    return _PAGE.format(policy=policy, title=title, style=style, body=body, script=script)

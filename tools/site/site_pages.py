"""MkDocs' hooks for the site: pages that lie elsewhere in the tree or are made of it.

README, CONTRIBUTING and CHANGELOG become pages, each public header of C++ a page with its text, the
package's functions one with their docstrings, and the HTML reports in build/site_gallery the gallery.
"""

import pathlib
import re

from mkdocs.structure.files import File

ROOT = pathlib.Path(__file__).resolve().parents[2]
GALLERY = ROOT / "build/site_gallery"
# Where pages of the root of the tree are in the site.
ROOT_PAGES = {
    "README.md": "index.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "include/narrow": "api/cpp.md",
}
LINK = re.compile(r"\[([^\]]+)\]\(([^)#\s]+)(#[^)\s]*)?\)")


def _linked(text: str) -> str:
    """A page of the root with links as the site has them; to files outside of it none."""

    def link(match: re.Match[str]) -> str:
        words, target, anchor = match[1], match[2], match[3] or ""
        if "://" in target:
            return match[0]
        page = target[len("docs/") :] if target.startswith("docs/") else ROOT_PAGES.get(target)
        return f"[{words}]({page}{anchor})" if page else words

    return LINK.sub(link, text)


def _header_page(header: pathlib.Path) -> str:
    text = header.read_text(encoding="utf-8")
    return f"# narrow/{header.name}\n\n```cpp\n{text}```\n\nRead next: [the other headers](../cpp.md).\n"


def _first_sentence(header: pathlib.Path) -> str:
    lines = []
    for line in header.read_text(encoding="utf-8").splitlines():
        if not line.startswith("//"):
            break
        lines.append(line[2:].strip())
    return re.split(r"(?<=[.:;])\s", " ".join(lines))[0].rstrip(".:;").replace("|", "\\|")


def _cpp_index(headers: list[pathlib.Path]) -> str:
    rows = [f"| [{one.name}](cpp/{one.stem}.md) | {_first_sentence(one)} |" for one in headers]
    return "\n".join(
        [
            "# C++",
            "",
            "The public headers. Every declaration says what it takes and gives, in what units and "
            "shapes, and which errors it throws.",
            "",
            "| header | what it is |",
            "| --- | --- |",
            *rows,
            "",
            "Read next: [architecture](../architecture.md).",
            "",
        ]
    )


def _python_page() -> str:
    init = (ROOT / "python/narrow/__init__.py").read_text(encoding="utf-8")
    names = re.findall(r'^    "([A-Za-z]\w*)",$', init, re.M)
    parts = [f"::: narrow.{name}" for name in names]
    return "# Python\n\nThe package `narrow`: [what it is for](../python.md).\n\n" + "\n\n".join(
        [*parts, "Read next: [jobs with examples](../python.md), [C++](cpp.md).\n"]
    )


def _gallery_page(reports: list[pathlib.Path]) -> str:
    rows = []
    for report in reports:
        command = report.with_suffix(".txt").read_text(encoding="utf-8").strip()
        rows.append(f"## [{report.stem.replace('_', ' ')}](gallery/{report.name})\n\n    {command}\n")
    return (
        "# Gallery of reports\n\nPages as the program makes them with `--export-html`, each a file "
        "of its own that needs nothing else; under each is its command.\n\n"
        + "\n".join([*rows, "Read next: [how tables are exported](sweep.md), [networks](networks.md).\n"])
    )


def on_files(files, config):
    def add(uri: str, content: str) -> None:
        files.append(File.generated(config, uri, content=content))

    for source, uri in ROOT_PAGES.items():
        if source.endswith(".md"):
            add(uri, _linked((ROOT / source).read_text(encoding="utf-8")))
    headers = sorted((ROOT / "include/narrow").glob("*.h"))
    add("api/cpp.md", _cpp_index(headers))
    for header in headers:
        add(f"api/cpp/{header.stem}.md", _header_page(header))
        files.get_file_from_path(f"api/cpp/{header.stem}.md").inclusion = files.get_file_from_path(
            "api/cpp.md"
        ).inclusion.NOT_IN_NAV
    add("api/python.md", _python_page())
    reports = sorted(GALLERY.glob("*.html"))
    if not reports:
        raise SystemExit("there are no reports in build/site_gallery; tools/build_site.sh makes them")
    add("gallery.md", _gallery_page(reports))
    for report in reports:
        add(f"gallery/{report.name}", report.read_text(encoding="utf-8"))
    return files


def on_page_markdown(markdown, page, **_):
    """Links to files outside of the documentation become their words."""

    def link(match: re.Match[str]) -> str:
        return match[1] if match[2].startswith("../") and page.url.count("/") == 0 else match[0]

    return LINK.sub(link, markdown)

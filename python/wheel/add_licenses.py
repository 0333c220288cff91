"""Adds the licences of the libraries in a wheel that auditwheel has repaired to it and its SBOM.

usage: add_licenses.py WHEEL

The bill of materials (CycloneDX, https://cyclonedx.org) that auditwheel leaves in dist-info/sboms
names the Debian packages of the shared libraries, but for those that dpkg knows by another path
(/lib is /usr/lib by now). Beside them there is what was compiled in: libraries of headers alone,
and nanobind. Each one's copyright file goes into dist-info/licenses.
"""

import importlib.metadata
import json
import pathlib
import re
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

from auditwheel.wheeltools import InWheel

HEADERS = ("libcli11-dev", "libeigen3-dev", "libfmt-dev", "nlohmann-json3-dev")


def debian_version(package: str) -> str:
    return subprocess.run(
        ["dpkg-query", "--show", "--showformat", "${Version}", package],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    ).stdout


def component_of(package: str) -> dict[str, Any]:
    version = debian_version(package)
    purl = f"pkg:deb/debian/{package}@{version.replace('+', '%2B')}"
    return {
        "type": "library",
        "bom-ref": purl,
        "name": package,
        "version": version,
        "purl": purl,
    }


def packages_of_libraries(folder: pathlib.Path) -> Iterator[str]:
    """The Debian package of every bundled library; auditwheel has put a digest into its name."""
    for library in sorted(folder.iterdir()):
        name = re.sub(r"-[0-9a-f]{8}(?=\.so)", "", library.name)
        found = subprocess.run(
            ["dpkg-query", "--search", f"*/{name}"], check=True, stdout=subprocess.PIPE, text=True
        )
        yield found.stdout.split(":")[0]


def debian_licenses(text: str) -> list[str]:
    """Short names of a copyright file in DEP-5's form; without them none."""
    if "/copyright-format/1.0" not in text:
        return []
    return sorted(set(re.findall(r"^License:[ \t]*(\S.*?)[ \t]*$", text, re.MULTILINE)))


def set_license(component: dict[str, Any], names: list[str], file: pathlib.Path) -> None:
    component["licenses"] = [{"license": {"name": name}} for name in names or [f"see {file}"]]
    component["properties"] = [{"name": "licence file", "value": str(file)}]


def add_licenses(info: pathlib.Path) -> None:
    path = info / "sboms" / "auditwheel.cdx.json"
    bill = json.loads(path.read_text())
    (libraries,) = info.parent.glob("*.libs")
    known = {component["name"] for component in bill["components"]}
    packages = dict.fromkeys((*packages_of_libraries(libraries), *HEADERS))
    bill["components"] += [component_of(package) for package in packages if package not in known]
    for component in bill["components"]:
        if not component["purl"].startswith("pkg:deb/"):
            set_license(component, ["Apache-2.0"], pathlib.Path("licenses/LICENSE"))
            continue
        text = pathlib.Path("/usr/share/doc", component["name"], "copyright").read_text()
        file = pathlib.Path("licenses/debian", component["name"])
        (info / file).parent.mkdir(parents=True, exist_ok=True)
        (info / file).write_text(text)
        set_license(component, debian_licenses(text), file)
    nanobind = importlib.metadata.distribution("nanobind")
    purl = f"pkg:pypi/nanobind@{nanobind.version}"
    bill["components"].append(
        {"type": "library", "bom-ref": purl, "name": "nanobind", "purl": purl}
        | {"version": nanobind.version, "licenses": [{"license": {"id": "BSD-3-Clause"}}]}
    )
    path.write_text(json.dumps(bill, indent=1, sort_keys=True) + "\n")


def main() -> None:
    wheel = pathlib.Path(sys.argv[1])
    with InWheel(wheel, wheel) as folder:
        (info,) = pathlib.Path(folder).glob("*.dist-info")
        add_licenses(info)


if __name__ == "__main__":
    main()

"""The content of an image as a CycloneDX 1.6 document: its Python and its Debian packages, read inside it."""

import json
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from deploy.images import engine

# This runs inside the image, which has no tool for it.
_LOOK = r"""
import importlib.metadata as im, json, pathlib, platform, re

def canonical(name):
    return re.sub(r"[-_.]+", "-", name).lower()

python = []
for d in im.distributions():
    needs = [re.match(r"[A-Za-z0-9._-]+", r).group() for r in d.requires or [] if "extra ==" not in r]
    license = d.metadata.get("License-Expression")
    text = d.metadata.get("License") or ""
    if not license and len(text) < 80:
        license = text
    if not license:
        named = [c.split(" :: ")[-1] for c in d.metadata.get_all("Classifier") or [] if c.startswith("License :: ")]
        license = ", ".join(named) or None
    python.append({"name": canonical(d.metadata["Name"]), "version": d.version, "license": license,
                   "needs": sorted({canonical(n) for n in needs})})

debian = []
for paragraph in pathlib.Path("/var/lib/dpkg/status").read_text().split("\n\n"):
    fields = dict(re.findall(r"^([A-Za-z-]+): (.*)$", paragraph, re.MULTILINE))
    if fields.get("Status", "").endswith(" installed"):
        debian.append({"name": fields["Package"], "version": fields["Version"], "arch": fields["Architecture"]})
release = dict(re.findall(r'^([A-Z_]+)="?([^"\n]*)"?$', pathlib.Path("/etc/os-release").read_text(), re.MULTILINE))
print(json.dumps({"python": python, "debian": debian, "release": release}))
"""


def document(image: str) -> dict[str, Any]:
    """The document for `image`, which must be on this machine. Raises LocalFailure."""
    command = ["run", "--rm", "-i", "--network", "none", "--read-only", "--entrypoint", "python", image, "-"]
    found = json.loads(engine.run(*command, stdin=_LOOK))
    itself = next(p for p in found["python"] if p["name"] == "todoke-server")
    others = sorted((p for p in found["python"] if p is not itself), key=lambda p: str(p["name"]))
    here = {str(p["name"]): _python_ref(p) for p in found["python"]}
    debian = [_debian(package, found["release"]) for package in sorted(found["debian"], key=lambda p: str(p["name"]))]
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid4()}",
        "version": 1,
        "metadata": {
            "timestamp": datetime.now(UTC).isoformat(timespec="seconds"),
            "component": {
                "type": "container", "bom-ref": image, "name": image, "version": itself["version"],
                "licenses": [{"expression": "Apache-2.0"}],
            },
        },
        "components": [*(_python(package) for package in [itself, *others]), *debian],
        "dependencies": [
            {"ref": image, "dependsOn": [_python_ref(itself), *(c["bom-ref"] for c in debian)]},
            *({"ref": here[p["name"]], "dependsOn": [here[n] for n in p["needs"] if n in here]}
              for p in found["python"]),
        ],
    }  # fmt: skip


def _python_ref(package: Mapping[str, Any]) -> str:
    return f"pkg:pypi/{package['name']}@{quote(package['version'])}"


def _python(package: Mapping[str, Any]) -> dict[str, Any]:
    ref = _python_ref(package)
    component = {
        "type": "library", "bom-ref": ref, "name": package["name"], "version": package["version"], "purl": ref
    }  # fmt: skip
    if package["license"]:
        # Most packages have free text here, so it is a name and not an SPDX expression.
        component["licenses"] = [{"license": {"name": package["license"]}}]
    return component


def _debian(package: Mapping[str, str], release: Mapping[str, str]) -> dict[str, Any]:
    distribution = f"{release.get('ID', 'debian')}-{release.get('VERSION_ID', '')}".rstrip("-")
    ref = (
        f"pkg:deb/debian/{quote(package['name'])}@{quote(package['version'])}"
        f"?arch={package['arch']}&distro={distribution}"
    )
    return {"type": "library", "bom-ref": ref, "name": package["name"], "version": package["version"], "purl": ref}

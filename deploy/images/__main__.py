"""`python -m deploy.images build | sbom`: the four images, their sizes, and what is in them."""

import argparse
import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

from deploy.images import engine, sbom
from shared.errors import TodokeError
from shared.version import VERSION

ROOT = Path(__file__).parents[2]
TARGETS = ("api", "relay", "worker", "migrate")


def main() -> int:
    """Run one command. Returns the exit code: 0 done, 1 failed."""
    parser = argparse.ArgumentParser(prog="python -m deploy.images", description="The services' container images.")
    parser.add_argument("command", choices=["build", "sbom"], help="build them, or list what is in them")
    parser.add_argument("--prefix", default="todoke", help="images are PREFIX/api and so on (default: %(default)s)")
    parser.add_argument("--tag", default=VERSION, help="their tag (default: %(default)s)")
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "sbom", help="folder of the SBOMs")
    arguments = parser.parse_args()
    images = {target: f"{arguments.prefix}/{target}:{arguments.tag}" for target in TARGETS}
    try:
        build(images) if arguments.command == "build" else _list(images, arguments.out)
    except TodokeError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def build(images: dict[str, str]) -> None:
    """Build every image and print its size. BUILD_ARGS is passed to the engine: `--network host`,
    `--build-arg BASE=…`.
    """
    arguments = ["--build-arg", f"VERSION={VERSION}", "--build-arg", f"REVISION={_revision()}"]
    arguments += shlex.split(os.environ.get("BUILD_ARGS", ""))
    for target, image in images.items():
        engine.build(target, image, root=str(ROOT), arguments=arguments)
    for image in images.values():
        print(f"{image:<32} {size_mb(image):6.0f} MB")


def size_mb(image: str) -> float:
    """Return the image's size on disk, unpacked, in MB of 1,000,000 bytes, including its base."""
    return int(engine.run("image", "inspect", "--format", "{{.Size}}", image)) / 1e6


def _list(images: dict[str, str], folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for target, image in images.items():
        file = folder / f"{target}.cdx.json"
        document = sbom.document(image)
        file.write_text(json.dumps(document, indent=1) + "\n")
        print(f"{file}: {len(document['components'])} components")


def _revision() -> str:
    asked = subprocess.run(
        ["git", "rev-parse", "HEAD"],  # noqa: S607 - whichever git made this checkout
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    return asked.stdout.strip() or "unknown"


if __name__ == "__main__":
    sys.exit(main())

"""`python -m deploy.tools.openapi_snapshot`: writes docs/reference/openapi.json from the code.

A change that would break a client is reported and refused, and nothing is written; `--accept-breaking` takes it.
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from deploy.tools.breaking import breaking
from services.api.app import create_app
from services.api.assembly import assemble
from services.api.http.operation_scopes import scopes_of
from services.api.settings import ApiSettings

SNAPSHOT = Path(__file__).parents[2] / "docs" / "reference" / "openapi.json"


def described() -> dict[str, Any]:
    """Return the API's description of itself, as where keys are required."""
    with tempfile.TemporaryDirectory(prefix="todoke-openapi-") as folder:
        # Nothing connects: this application never serves.
        environment = {"DATABASE_URL": "postgresql://user:pass@127.0.0.1:1/none", "ARTIFACT_URL": Path(folder).as_uri()}
        settings = ApiSettings.from_environment({**environment, "API_AUTH": "keys"})
        found: dict[str, Any] = create_app(assemble(settings)).openapi()
    # A release does not change the contract.
    return json.loads(json.dumps({**found, "info": {**found["info"], "version": "v1"}}))  # type: ignore[no-any-return]


def untold(document: dict[str, Any]) -> list[str]:
    """Return what a reader would miss in the description, each in a sentence with its remedy."""
    tags = {tag["name"] for tag in document["tags"]}
    missing = []
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            where = f"{method.upper()} {path}"
            if scopes_of(operation["operationId"]) is None:
                place = "services/api/http/operation_scopes.py"
                missing.append(f"{where}: tell the scopes of {operation['operationId']} in {place}")
            if not operation.get("summary") or not operation.get("description"):
                missing.append(f"{where}: say what it does in the docstring of its function")
            if len(operation.get("tags", ())) != 1 or not tags.issuperset(operation["tags"]):
                missing.append(f"{where}: give it one tag, which services/api/http/openapi.py describes")
    return missing


def main() -> int:
    """Write the snapshot. Returns 1, and writes nothing, when something would break or is undocumented."""
    options = argparse.ArgumentParser(prog="python -m deploy.tools.openapi_snapshot", description=__doc__)
    options.add_argument("--accept-breaking", action="store_true", help="write it although older clients would break")
    accept = options.parse_args().accept_breaking
    now = described()
    problems = breaking(json.loads(SNAPSHOT.read_text()), now) if SNAPSHOT.exists() and not accept else []
    for gap in (gaps := untold(now)):
        print(gap, file=sys.stderr)
    if gaps:
        return 1
    for problem in problems:
        print(f"breaking: {problem}", file=sys.stderr)
    if problems:
        print("Keep what clients know, or take it knowingly: --accept-breaking", file=sys.stderr)
        return 1
    SNAPSHOT.write_text(json.dumps(now, indent=1, ensure_ascii=False) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

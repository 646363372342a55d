"""What the gallery shows: reports of the sample catalog and of its own, with few rows, many, none."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from shared.catalog.shape import AS_IT_IS, Shape

SAMPLES = Path(__file__).parents[2] / "deploy" / "sample" / "catalog"
OWN = Path(__file__).parent / "catalog"
_NO_SUCH_DAY: Mapping[str, object] = {"from": "2013-12-31", "to": "2013-01-01"}


@dataclass(frozen=True, slots=True)
class Scene:
    """One report to be made in every format that it shows, and to be looked at."""

    name: str
    catalog: Path
    report: str
    parameters: Mapping[str, object] = field(default_factory=dict)
    shape: Shape = AS_IT_IS


SCENES: Sequence[Scene] = (
    Scene("delays", SAMPLES, "carrier-delays"),
    Scene("delays-ja", SAMPLES, "carrier-delays", {"locale": "ja"}),
    Scene("delays-empty", SAMPLES, "carrier-delays", _NO_SUCH_DAY),
    Scene("routes", SAMPLES, "airport-traffic"),
    Scene("flights", SAMPLES, "flights-export", shape=Shape(limit=400)),
    Scene("flights-empty", SAMPLES, "flights-export", _NO_SUCH_DAY),
    Scene("shop", SAMPLES, "shop-sales"),
    Scene("shop-workbook", SAMPLES, "shop-workbook"),
    Scene("sales-few", OWN, "sales"),
    Scene("sales-many", OWN, "sales", {"rows": 240}),
    Scene("sales-one", OWN, "sales", {"rows": 1}),
    Scene("sales-empty", OWN, "sales", {"rows": 0}),
    Scene("scripts-few", OWN, "scripts"),
    Scene("scripts-many", OWN, "scripts", {"rows": 400}),
    Scene("wide", OWN, "wide"),
    Scene("wide-few", OWN, "wide", {"rows": 14}),
)

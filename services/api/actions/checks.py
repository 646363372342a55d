"""Check what a client asks for, and report every mistake at once."""

import itertools
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from services.api.actions import options, passwords, reuse, visible
from services.api.actions.errors import MOST_VIOLATIONS, InvalidRequest
from services.api.actions.labels import read_labels
from services.api.actions.options import Options, read_options
from services.api.actions.parts import Parts
from services.api.auth.principal import Principal
from shared.catalog.model import BUNDLE, CatalogView, ReportType
from shared.catalog.moment import Moment
from shared.catalog.parameters import InvalidParameters, Violation, validate_parameters, words_in
from shared.catalog.read_shape import read_shape
from shared.catalog.shape import FIELDS as SHAPE_FIELDS
from shared.catalog.shape import WORDS, Shape
from shared.jobs.options import unknown
from shared.jobs.read import Job
from shared.suggest import did_you_mean

_FIELDS = ("reportType", "parameters", "formats", "labels", reuse.FIELD, passwords.FIELD, *options.FIELDS,
           *SHAPE_FIELDS)  # fmt: skip
_FIELDS_OF_A_RETRY = ("parameters", "formats", "labels", passwords.FIELD, *options.FIELDS, *SHAPE_FIELDS)
_MOST_HINTED = 10
"""Unknown names of one submission that get a hint: each hint takes time, and a batch has a thousand submissions."""


class Wanted(NamedTuple):
    """What a client asks for, not yet checked."""

    fields: Mapping[str, object]
    """`reportType`, `parameters`, `formats`, `labels` and options. Each may be left out or null."""
    body: bytes = b""
    """The fields as they were received."""
    idempotency_key: Sequence[str] = ()
    """The lines of the header."""
    trace_context: str | None = None
    """Travels with the job through the outbox and the queue."""
    retry_of: Job | None = None
    """The job that this one repeats. Fields that are left out are taken from it."""

    def __repr__(self) -> str:
        """Reveal none of the content, which may include a password."""
        return f"Wanted({', '.join(self.fields)})"


class Checked(NamedTuple):
    """A request that was checked and can be carried out."""

    report: ReportType
    parameters: Mapping[str, object]
    formats: tuple[str, ...]
    """The formats to make; `zip` stands for all of them in one archive as well."""
    labels: Mapping[str, str] | None
    options: Options
    shape: Shape
    words: Mapping[str, object]
    """Parameters that were given in words such as `yesterday`."""
    max_age_s: int | None
    """How old an existing job may be to answer this request; None asks for a new job."""
    password: str | None = None
    """Opens the files. Secret."""

    def __repr__(self) -> str:
        """Reveal none of the content, which may include a password."""
        return f"Checked({self.report.name})"


def check(wanted: Wanted, principal: Principal, parts: Parts, wrong: Sequence[Violation] = ()) -> Checked:
    """Return what is wanted if it is valid.

    Otherwise raises UnknownReportType, or InvalidRequest with every mistake, those in `wrong` first.
    """
    known = _FIELDS if wanted.retry_of is None else _FIELDS_OF_A_RETRY
    fields = wanted.fields if wanted.retry_of is None else _as_before(wanted.retry_of, wanted.fields)
    report = _report_type(fields, principal, parts.catalog)
    violations = [
        Violation(name[:100], "unknown_field", f"is not a field of a request{did_you_mean(name[:100], known)}")
        for name in itertools.islice((name for name in wanted.fields if name not in known), _MOST_HINTED)
    ]
    violations += _not_to_be_kept(wanted.retry_of)
    formats = _formats(fields.get("formats"), report, violations)
    shape = _shape(wanted, report, principal, violations)
    moment = Moment.now(shape.zone)
    parameters, words = _parameters(fields.get("parameters"), report, moment, violations)
    labels = read_labels(fields.get("labels"), violations)
    max_age_s = None if wanted.retry_of is not None else reuse.read_reuse(wanted.fields, violations)
    asked = read_options(wanted.fields, report, parts.settings, violations, moment, retry_of=wanted.retry_of)
    password = passwords.read_password(
        wanted.fields, report, formats, violations, kept=parts.secret_keys.kept, retry_of=wanted.retry_of
    )
    violations += wrong
    if violations:
        at_least = "at least " if len(violations) >= MOST_VIOLATIONS else ""
        many = "one problem" if len(violations) == 1 else f"{at_least}{len(violations)} problems"
        raise InvalidRequest(f"The request has {many}.", violations)
    if wanted.retry_of is not None:
        words = {**_words_of_before(wanted), **words}
    return Checked(report, parameters, formats, labels, asked, shape, words, max_age_s, password)


def _as_before(old: Job, given: Mapping[str, object]) -> Mapping[str, object]:
    """Return what the old job was asked for, overridden by the fields given now.

    A parameter given as null takes its default.
    """
    parameters = given.get("parameters")
    if parameters is None or isinstance(parameters, dict):
        parameters = {**old.parameters, **(parameters or {})}
    formats = list(old.formats) or None if given.get("formats") is None else given["formats"]
    labels = old.labels if given.get("labels") is None else given["labels"]
    return {"reportType": old.report_type, "parameters": parameters, "formats": formats, "labels": labels}


def _not_to_be_kept(old: Job | None) -> list[Violation]:
    """Return what a retry would lose because only a newer release understands it."""
    told = "was asked for with the job, and this API's release does not know it: ask an API of the newer release"
    return [Violation(name[:100], "unknown_option", told) for name in unknown(old.options)] if old is not None else []


def _report_type(fields: Mapping[str, object], principal: Principal, catalog: CatalogView) -> ReportType:
    name = fields.get("reportType")
    if name is None:
        name = catalog.default
    if not isinstance(name, str):
        wrong = Violation("reportType", "type", "must be a string")
        raise InvalidRequest("The request is not valid.", [wrong])
    return visible.report_type(catalog, principal, name)


def _formats(given: object, report: ReportType, violations: list[Violation]) -> tuple[str, ...]:
    """Return the requested formats: without any, the report type's first; with the archive alone, all."""
    if given is None:
        return report.formats[:1]
    if given == []:
        message = 'must name at least one format, such as ["csv"]; leave it out for the first of the report type'
        violations.append(Violation("formats", "too_short", message))
        return ()
    if not isinstance(given, list):
        violations.append(Violation("formats", "type", 'must be a list such as ["csv"]'))
        return ()
    offered = [*(str(f) for f in report.formats), BUNDLE]
    unknown = ((n, f[:100] if isinstance(f, str) else "") for n, f in enumerate(given) if f not in offered)
    wrong = [
        Violation(f"formats[{n}]", "unknown_format", f"{report.name} has no such format{did_you_mean(f, offered)}")
        for n, f in itertools.islice(unknown, _MOST_HINTED)
    ]
    violations += wrong
    if wrong:
        return ()
    asked = tuple(dict.fromkeys(given))
    # The archive alone contains everything that the report type can make.
    return (*report.formats, BUNDLE) if asked == (BUNDLE,) else asked


def _shape(wanted: Wanted, report: ReportType, principal: Principal, violations: list[Violation]) -> Shape:
    """Return the requested shape; fields that a retry does not name are as in the old job."""
    old = Shape.of(wanted.retry_of.options).as_json() if wanted.retry_of is not None else {}
    kept = {name: value for name, value in old.items() if name not in wanted.fields}
    return read_shape(report, {**kept, **wanted.fields}, principal.scopes, violations)


def _words_of_before(wanted: Wanted) -> Mapping[str, object]:
    """Return the words of parameters that a retry keeps. What they stood for is kept, too."""
    parameters, options = wanted.fields.get("parameters"), wanted.retry_of.options if wanted.retry_of else None
    asked_anew = parameters if isinstance(parameters, dict) else {}
    return {name: words for name, words in (options or {}).get(WORDS, {}).items() if name not in asked_anew}


def _parameters(
    given: object, report: ReportType, moment: Moment, violations: list[Violation]
) -> tuple[Mapping[str, object], Mapping[str, object]]:
    """Return the parameters as the job stores them, and those that were given in words."""
    if given is None:
        given = {}
    if not isinstance(given, dict):
        violations.append(Violation("parameters", "type", "must be an object"))
        return {}, {}
    try:
        return validate_parameters(report, given, moment), words_in(report, given)
    except InvalidParameters as error:
        violations += error.violations
        return {}, {}

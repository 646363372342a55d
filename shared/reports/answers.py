"""The answers to all queries of a report, of one moment: query.sql and the further queries."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from shared.catalog.further import FOLDER, as_report
from shared.catalog.model import Format, FurtherQuery
from shared.reports import kept_extract, read_source, source_errors
from shared.reports.extract import ROWS_FILE, Extract
from shared.reports.interface import ReportError
from shared.reports.progress import Steps
from shared.reports.question import Question
from shared.reports.sources.result import SourceResult


@dataclass(frozen=True, slots=True)
class Answers:
    """The rows of each query, kept separately."""

    main: Extract
    further: Mapping[str, Extract] = field(default_factory=dict)
    """By the names of the queries, in the report type's order."""


def further_question(question: Question, query: FurtherQuery) -> Question:
    """Return the question of a further query. The request's columns, sort and limit apply to query.sql only."""
    shape = replace(question.shape, columns=None, sort=None, limit=None)
    return replace(question, report=as_report(question.report, query), shape=shape, further=query)


def read(source: SourceResult, folder: Path, question: Question, formats: Sequence[Format], steps: Steps) -> Answers:
    """Read the rows of every query into `folder`, one query after the other. Raises as `read_source.read` does."""
    main = read_source.read(source, folder, question, formats, steps.at)
    further = {}
    for query in question.report.queries:
        asked = further_question(question, query)
        place = _place(folder, query)
        place.mkdir(parents=True)
        try:
            result = source.further(asked)
            steps.begin(f"reading {query.name}", result.estimated_rows() or None)
            one = read_source.read(result, place, asked, formats, steps.at)
            further[query.name] = replace(one, snapshot=main.snapshot)  # without named snapshots, the first time counts
        except ReportError as error:
            raise source_errors.of_query(error, f"{FOLDER}/{query.name}.sql") from None
        source.sent_bytes += result.sent_bytes
    return Answers(main, further)


def load(kept: Path, folder: Path, question: Question, formats: Sequence[Format]) -> Answers | None:
    """Return what `keep` has left, if all of it is whole, of one moment, and answers this very question."""
    main = kept_extract.load(kept, folder, question, formats)
    if main is None:
        return None
    further = {}
    for query in question.report.queries:
        place = _place(folder, query)
        place.mkdir(parents=True, exist_ok=True)
        one = kept_extract.load(_place(kept, query), place, further_question(question, query), formats)
        if one is None or one.snapshot != main.snapshot:
            _forget(folder, question)
            return None
        further[query.name] = one
    return Answers(main, further)


def _forget(folder: Path, question: Question) -> None:
    """Remove what was linked into `folder`, because everything will be read anew."""
    for place in [folder, *(_place(folder, query) for query in question.report.queries)]:
        (place / ROWS_FILE).unlink(missing_ok=True)
        if place != folder and place.exists():
            place.rmdir()


def keep(answers: Answers, kept: Path, question: Question, formats: Sequence[Format]) -> None:
    """Leave the extracts in `kept` for a later attempt.

    That of query.sql, without which none counts, is written last.
    """
    for query in question.report.queries:
        kept_extract.keep(answers.further[query.name], _place(kept, query), further_question(question, query), formats)
    kept_extract.keep(answers.main, kept, question, formats)


def _place(folder: Path, query: FurtherQuery) -> Path:
    return folder / FOLDER / query.name

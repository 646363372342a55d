"""The parts of a job: its files, its error, its progress."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

from todoke.reading import Fields

Raw = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Artifact:
    """A file that a job made."""

    name: str
    format: str
    media_type: str
    size_bytes: int
    sha256: str
    rows: int
    """Data rows, without headers."""
    raw: Raw = field(repr=False, compare=False)

    @classmethod
    def read(cls, read: Fields) -> Self:
        """Build the value from the API's JSON. Raises UnexpectedAnswer."""
        return cls(
            name=read.text("name"),
            format=read.some_text("format"),
            media_type=read.some_text("mediaType"),
            size_bytes=read.integer("sizeBytes"),
            sha256=read.text("sha256"),
            rows=read.integer("rows"),
            raw=read.raw,
        )


@dataclass(frozen=True, slots=True)
class Warning:  # noqa: A001 - the API's word
    """Something that readers of a file should know: the job succeeded, but needs a look."""

    code: str
    """Stable; docs/reference/errors.md lists the codes."""
    file: str
    """The file's name."""
    message: str
    hint: str
    characters: Sequence[str]
    """The letters in question, by their Unicode names."""
    raw: Raw = field(repr=False, compare=False)

    @classmethod
    def read(cls, read: Fields) -> Self:
        """Build the value from the API's JSON. Raises UnexpectedAnswer."""
        return cls(
            code=read.some_text("code"),
            file=read.some_text("file"),
            message=read.some_text("message"),
            hint=read.some_text("hint"),
            characters=read.texts("characters"),
            raw=read.raw,
        )


@dataclass(frozen=True, slots=True)
class Preview:
    """What the server keeps for a preview."""

    rows: int | None
    """The number of first rows kept; None if none are kept, which differs from 0."""
    has_page: bool
    """True if there is a picture of the PDF's first page."""
    raw: Raw = field(repr=False, compare=False)

    @classmethod
    def read(cls, read: Fields) -> Self:
        """Build the value from the API's JSON. Raises UnexpectedAnswer."""
        return cls(rows=read.maybe_integer("rows"), has_page=read.maybe_text("pageUrl") is not None, raw=read.raw)


@dataclass(frozen=True, slots=True)
class Phase:
    """A part of the work, such as `querying`, `writing pdf` or `storing`."""

    phase: str
    seconds: float
    raw: Raw = field(repr=False, compare=False)

    @classmethod
    def read(cls, read: Fields) -> Self:
        """Build the value from the API's JSON. Raises UnexpectedAnswer."""
        return cls(phase=read.text("phase"), seconds=read.maybe_number("seconds") or 0.0, raw=read.raw)


@dataclass(frozen=True, slots=True)
class Result:
    """What a successful job made."""

    artifacts: Sequence[Artifact]
    """The files, until they expire."""
    required_scopes: Sequence[str]
    """The scopes that a download of the files requires, all of them."""
    warnings: Sequence[Warning]
    manifest_sha256: str | None
    """The digest of `manifest.json`, which records what the files were made from."""
    preview: Preview | None
    """None if nothing is kept; `jobs.rows` and `jobs.first_page` fetch it."""
    answer: Mapping[str, Any] | None
    """The answer of a report type without files."""
    seconds: float
    phases: Sequence[Phase]
    """How long each phase took, in order; empty for a report type without files, and from an older server."""
    raw: Raw = field(repr=False, compare=False)

    @classmethod
    def read(cls, read: Fields) -> Self:
        """Build the value from the API's JSON. Raises UnexpectedAnswer."""
        manifest, preview = read.inner("manifest"), read.inner("preview")
        return cls(
            artifacts=tuple(Artifact.read(one) for one in read.each("artifacts")),
            required_scopes=read.texts("requiredScopes"),
            warnings=tuple(Warning.read(one) for one in read.each("warnings")),
            manifest_sha256=manifest.text("sha256") if manifest else None,
            preview=Preview.read(preview) if preview else None,
            answer=read.maybe_object("answer"),
            seconds=read.maybe_number("seconds") or 0.0,
            phases=tuple(Phase.read(one) for one in read.each("phases")),
            raw=read.raw,
        )


@dataclass(frozen=True, slots=True)
class JobError:
    """Why a job failed, or why its last attempt did."""

    code: str
    """Stable; docs/reference/errors.md lists the codes."""
    message: str
    retryable: bool
    """True if the same report may succeed later."""
    hint: str
    """What to do about it; empty if unknown."""
    raw: Raw = field(repr=False, compare=False)

    @classmethod
    def read(cls, read: Fields) -> Self:
        """Build the value from the API's JSON. Raises UnexpectedAnswer."""
        return cls(
            code=read.some_text("code"),
            message=read.some_text("message"),
            retryable=read.flag("retryable"),
            hint=read.some_text("hint"),
            raw=read.raw,
        )


@dataclass(frozen=True, slots=True)
class Cost:
    """What the last ended attempt used."""

    cpu_seconds: float
    """Processor time of the report's process, and of the chart process for its charts."""
    peak_memory_mb: int
    """The peak memory of the report's process, including the libraries that it loaded."""
    bytes_read: int
    """Text that the source sent."""
    bytes_written: int
    """Files that it made."""
    raw: Raw = field(repr=False, compare=False)

    @classmethod
    def read(cls, read: Fields) -> Self:
        """Build the value from the API's JSON. Raises UnexpectedAnswer."""
        return cls(
            cpu_seconds=read.maybe_number("cpuSeconds") or 0.0,
            peak_memory_mb=read.integer("peakMemoryMb"),
            bytes_read=read.integer("bytesRead"),
            bytes_written=read.integer("bytesWritten"),
            raw=read.raw,
        )


@dataclass(frozen=True, slots=True)
class Progress:
    """The progress of the current attempt."""

    phase: str
    """Such as `querying` or `writing pdf`."""
    rows: int
    """Rows done in this phase."""
    percent: float | None
    """Of the whole attempt; None if unknown."""
    total_rows: int | None
    """All rows of this phase: an estimate while the source is read; None if unknown."""
    eta_s: float | None
    """Estimated seconds to the end; None if unknown."""
    raw: Raw = field(repr=False, compare=False)

    @classmethod
    def read(cls, read: Fields) -> Self:
        """Build the value from the API's JSON. Raises UnexpectedAnswer."""
        return cls(
            phase=read.some_text("phase"),
            rows=read.integer("rows"),
            percent=read.maybe_number("percent"),
            total_rows=read.maybe_integer("totalRows"),
            eta_s=read.maybe_number("etaS"),
            raw=read.raw,
        )

"""The scopes that each operation asks for, as its description tells."""

from collections.abc import Mapping, Sequence

from shared.access.scopes import Scope

OPERATION_SCOPES: Mapping[str, Sequence[Scope]] = {
    "generateReport": (Scope.JOBS_CREATE,),
    "submitJob": (Scope.JOBS_CREATE,),
    "submitJobs": (Scope.JOBS_CREATE,),
    "listJobs": (Scope.JOBS_READ,),
    "getJob": (Scope.JOBS_READ,),
    "listJobEvents": (Scope.JOBS_READ,),
    "estimateJob": (Scope.JOBS_CREATE,),
    "getJobWhy": (Scope.JOBS_READ,),
    "streamJob": (Scope.JOBS_READ,),
    "streamJobs": (Scope.JOBS_READ,),
    "cancelJob": (Scope.JOBS_CANCEL, Scope.JOBS_READ),
    "keepJob": (Scope.JOBS_CREATE, Scope.JOBS_READ),
    "deleteJob": (Scope.JOBS_DELETE,),
    "retryJob": (Scope.JOBS_READ, Scope.JOBS_CREATE),
    "downloadArtifact": (Scope.JOBS_READ,),
    "listReportTypes": (),
    "getReportType": (),
    "getMe": (),
    "listKeys": (Scope.KEYS_READ,),
    "getKey": (Scope.KEYS_READ,),
    "createKey": (Scope.KEYS_WRITE,),
    "revokeKey": (Scope.KEYS_WRITE,),
    "rotateKey": (Scope.KEYS_WRITE,),
    "listAudit": (Scope.AUDIT_READ,),
}
"""By the names of operations; those without `/v1` ask for the same."""


def scopes_of(operation_id: str) -> list[str] | None:
    """The scopes of an operation; None if they are not told above."""
    found = OPERATION_SCOPES.get(operation_id.removesuffix("Unversioned"))
    return None if found is None else [str(scope) for scope in found]

"""The registry's refusals, as the wire says them (contract 1, error table).

RegistryError
    one class, told apart by its code: BLOB_UNKNOWN, MANIFEST_INVALID, …
"""

from __future__ import annotations

from collections.abc import Mapping

from starlette.responses import JSONResponse

from hotori.model.json import Json

STATUS = {
    "BLOB_UNKNOWN": 404,
    "BLOB_UPLOAD_INVALID": 400,
    "BLOB_UPLOAD_UNKNOWN": 404,
    "DIGEST_INVALID": 400,
    "MANIFEST_BLOB_UNKNOWN": 400,
    "MANIFEST_INVALID": 400,
    "MANIFEST_UNKNOWN": 404,
    "NAME_INVALID": 400,
    "NAME_UNKNOWN": 404,
    "NOT_FOUND": 404,
    "PAGINATION_NUMBER_INVALID": 400,
    "RANGE_INVALID": 416,
    "SIZE_INVALID": 413,
    "TAG_INVALID": 400,
    "UNAUTHORIZED": 401,
    "UNSUPPORTED": 405,
}


class RegistryError(Exception):
    """A request that the registry refuses. Each of `details` becomes one error of the answer."""

    def __init__(self, code: str, message: str, *details: Json, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(f"{code}: {message}")
        self.code, self.message, self.details = code, message, details or (None,)
        self.headers = headers

    def response(self) -> JSONResponse:
        errors = [{"code": self.code, "message": self.message, "detail": detail} for detail in self.details]
        return JSONResponse({"errors": errors}, STATUS[self.code], self.headers)

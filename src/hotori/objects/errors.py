"""What a client of the object store is told when a request cannot be done (contract, 9).

StorageError    one of the codes of the table, on its way to the client
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

_CODES: dict[str, tuple[int, str]] = {
    "AccountNotFound": (404, "The account does not exist."),
    "APINotImplemented": (501, "This operation is not supported."),
    "AuthenticationFailed": (403, "The request's signature, date or token was not accepted."),
    "AuthorizationFailure": (403, "This request is not authorized to perform this operation."),
    "AuthorizationPermissionMismatch": (403, "The token lacks the permission for this operation."),
    "AuthorizationProtocolMismatch": (403, "The token is for another protocol."),
    "AuthorizationResourceTypeMismatch": (403, "The token is for another type of resource."),
    "AuthorizationServiceMismatch": (403, "The token is for another service."),
    "AuthorizationSourceIPMismatch": (403, "The token is for other addresses."),
    "BlobAlreadyExists": (409, "The specified blob already exists."),
    "BlobNotFound": (404, "The specified blob does not exist."),
    "ConditionNotMet": (412, "The condition specified using HTTP conditional header(s) is not met."),
    "ContainerAlreadyExists": (409, "The specified container already exists."),
    "ContainerNotFound": (404, "The specified container does not exist."),
    "InsufficientStorage": (507, "There is no room left on the server's disk."),
    "InternalError": (500, "The server met an error; its log says which."),
    "InvalidBlobOrBlock": (400, "The specified block ID is not valid for this blob."),
    "InvalidBlockList": (400, "The specified block list is invalid."),
    "InvalidHeaderValue": (400, "The value of one of the HTTP headers is not in the correct format."),
    "InvalidMd5": (400, "The MD5 value in the request is not valid: it must be 128 bits in base64."),
    "InvalidMetadata": (400, "A metadata name must be an identifier."),
    "InvalidQueryParameterValue": (400, "The value of one of the query parameters is not valid."),
    "InvalidRange": (416, "The range specified is invalid for the current size of the resource."),
    "InvalidResourceName": (400, "The specified resource name contains invalid characters."),
    "InvalidUri": (400, "The requested URI does not represent any resource on the server."),
    "InvalidXmlDocument": (400, "The XML in the request's body is not what the operation takes."),
    "LeaseNotPresentWithBlobOperation": (412, "There is currently no lease on the blob."),
    "Md5Mismatch": (400, "The MD5 value in the request did not match the content that arrived."),
    "MissingRequiredHeader": (400, "A required HTTP header was not given."),
    "OutOfRangeInput": (400, "One of the request inputs is out of range."),
    "OutOfRangeQueryParameterValue": (400, "A query parameter is outside its permissible range."),
    "PublicAccessNotPermitted": (409, "Public access is not permitted on this storage account."),
    "RequestBodyTooLarge": (413, "The request body is too large."),
    "ResourceNotFound": (404, "The specified resource does not exist."),
    "UnsupportedHttpVerb": (405, "The resource does not support the specified HTTP verb."),
}

_NONE: Mapping[str, str] = MappingProxyType({})


class StorageError(Exception):
    """A code with its status. `details` become children of the XML body, `headers` go onto the response."""

    def __init__(
        self, code: str, message: str = "", *, headers: Mapping[str, str] = _NONE, status: int = 0, **details: str
    ) -> None:
        known_status, known_message = _CODES[code]
        self.code, self.status, self.message = code, status or known_status, message or known_message
        self.headers, self.details = headers, details
        super().__init__(f"{code}: {self.message}")

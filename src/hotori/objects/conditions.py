"""Conditional requests (contract, 4): If-Match, If-None-Match and their dates."""

from __future__ import annotations

from collections.abc import Mapping
from email.utils import parsedate_to_datetime

from hotori.objects.blob import Blob
from hotori.objects.errors import StorageError


def check_read(headers: Mapping[str, str], blob: Blob) -> None:
    """Raise ConditionNotMet: with 304 if the reader has it already, else with 412."""
    _check_unchanged(headers, blob)
    if _seen_already(headers, blob):
        raise StorageError("ConditionNotMet", status=304, headers={"ETag": f'"{blob.etag}"'})


def check_write(headers: Mapping[str, str], blob: Blob | None) -> None:
    """Raise BlobAlreadyExists for `If-None-Match: *`, ConditionNotMet for any other condition that fails."""
    if blob is None:
        if "if-match" in headers:
            raise StorageError("ConditionNotMet")
        return
    if headers.get("if-none-match") == "*":
        raise StorageError("BlobAlreadyExists")
    _check_unchanged(headers, blob)
    if _seen_already(headers, blob):
        raise StorageError("ConditionNotMet")


def _check_unchanged(headers: Mapping[str, str], blob: Blob) -> None:
    if "if-match" in headers and not _names(headers["if-match"], blob):
        raise StorageError("ConditionNotMet")
    since = _seconds(headers, "if-unmodified-since")
    if since is not None and blob.modified > since:
        raise StorageError("ConditionNotMet")


def _seen_already(headers: Mapping[str, str], blob: Blob) -> bool:
    if "if-none-match" in headers:
        return _names(headers["if-none-match"], blob)
    since = _seconds(headers, "if-modified-since")
    return since is not None and blob.modified <= since


def _names(tags: str, blob: Blob) -> bool:
    return any(tag.strip().removeprefix("W/").strip('"') in ("*", blob.etag) for tag in tags.split(","))


def _seconds(headers: Mapping[str, str], name: str) -> int | None:
    """A date's whole seconds: Last-Modified has no finer ones to compare with."""
    if name not in headers:
        return None
    try:
        return int(parsedate_to_datetime(headers[name]).timestamp())
    except ValueError as error:
        raise StorageError("InvalidHeaderValue", HeaderName=name, HeaderValue=headers[name]) from error

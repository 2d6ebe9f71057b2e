"""The XML of the object store (contract, 1 and 5)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from urllib.parse import quote
from xml.sax.saxutils import escape

from hotori.objects.blob import Blob, Container, Piece
from hotori.objects.call import http_date
from hotori.objects.errors import StorageError

CONTENT_TYPE = "application/xml"

_HEAD = '<?xml version="1.0" encoding="utf-8"?>'
_NOT_IN_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_INFERRED_TIER = "<AccessTier>Hot</AccessTier><AccessTierInferred>true</AccessTierInferred>"
_UNLEASED = (
    "<LeaseStatus>unlocked</LeaseStatus><LeaseState>available</LeaseState><ServerEncrypted>true</ServerEncrypted>"
)
_ENTRY = r"<(Latest|Committed|Uncommitted)>([^<&]*)</\1>"
_BLOCK_LIST = re.compile(
    rf"\s*(?:<\?xml[^>]*\?>)?\s*<BlockList\s*(?:/>|>(?:\s*{_ENTRY})*\s*</BlockList>)\s*",
)


def error_document(error: StorageError, request: str, now: float) -> bytes:
    """The body that explains an error."""
    time = datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f0Z")
    message = f"{error.message}\nRequestId:{request}\nTime:{time}"
    details = "".join(_element(name, value) for name, value in error.details.items())
    return _document(f"<Error>{_element('Code', error.code)}{_element('Message', message)}{details}</Error>")


def parse_block_list(body: bytes) -> list[tuple[str, str]]:
    """Pairs of where to look (Latest, Committed, Uncommitted) and block id. Raises InvalidXmlDocument."""
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise StorageError("InvalidXmlDocument") from error
    if not _BLOCK_LIST.fullmatch(text):
        raise StorageError("InvalidXmlDocument")
    return [(where, block.strip()) for where, block in re.findall(_ENTRY, text)]


def block_list(committed: Iterable[Piece] | None, uncommitted: Iterable[Piece] | None) -> bytes:
    """The blocks of a blob; None leaves a kind out."""
    parts = [
        f"<{name}>{''.join(_block(piece) for piece in pieces)}</{name}>"
        for name, pieces in (("CommittedBlocks", committed), ("UncommittedBlocks", uncommitted))
        if pieces is not None
    ]
    return _document(f"<BlockList>{''.join(parts)}</BlockList>")


def container_listing(
    endpoint: str, asked: Mapping[str, str], containers: Iterable[Container], marker: str, *, metadata: bool
) -> bytes:
    """The containers of an account."""
    entries = "".join(_container(container, metadata=metadata) for container in containers)
    return _document(
        f"<EnumerationResults ServiceEndpoint={_quoted(endpoint)}>{_asked(asked)}"
        f"<Containers>{entries}</Containers>{_element('NextMarker', marker)}</EnumerationResults>"
    )


def blob_listing(
    endpoint: str,
    container: str,
    asked: Mapping[str, str],
    entries: Iterable[tuple[str, Blob | None]],
    marker: str,
    *,
    metadata: bool,
) -> bytes:
    """The blobs of a container; an entry without a blob is a prefix up to the delimiter."""
    body = "".join(
        f"<BlobPrefix>{_name(name)}</BlobPrefix>" if blob is None else _blob(name, blob, metadata=metadata)
        for name, blob in entries
    )
    return _document(
        f"<EnumerationResults ServiceEndpoint={_quoted(endpoint)} ContainerName={_quoted(container)}>"
        f"{_asked(asked)}<Blobs>{body}</Blobs>{_element('NextMarker', marker)}</EnumerationResults>"
    )


def signed_identifiers() -> bytes:
    """The stored access policies of a container: none."""
    return _document("<SignedIdentifiers />")


def _blob(name: str, blob: Blob, *, metadata: bool) -> str:
    headers = blob.headers
    texts = {
        "Content-Type": headers.content_type,
        "Content-Encoding": headers.content_encoding,
        "Content-Language": headers.content_language,
        "Content-MD5": headers.md5,
        "Content-Disposition": headers.content_disposition,
        "Cache-Control": headers.cache_control,
    }
    listed = "".join([_element(key, value) for key, value in texts.items() if value])
    tier = f"<AccessTier>{blob.tier}</AccessTier>" if blob.tier else _INFERRED_TIER
    return (
        f"<Blob>{_name(name)}<Properties><Creation-Time>{http_date(blob.created)}</Creation-Time>"
        f"<Last-Modified>{http_date(blob.modified)}</Last-Modified><Etag>{blob.etag}</Etag>"
        f"<Content-Length>{blob.size}</Content-Length>{listed}<BlobType>BlockBlob</BlobType>{tier}{_UNLEASED}"
        f"</Properties>{_metadata(blob.metadata) if metadata else ''}</Blob>"
    )


def _container(container: Container, *, metadata: bool) -> str:
    properties = {
        "Last-Modified": http_date(container.modified),
        "Etag": f'"{container.etag}"',
        "LeaseStatus": "unlocked",
        "LeaseState": "available",
        "HasImmutabilityPolicy": "false",
        "HasLegalHold": "false",
    }
    listed = "".join(_element(key, value) for key, value in properties.items())
    more = _metadata(container.metadata) if metadata else ""
    return f"<Container>{_name(container.name)}<Properties>{listed}</Properties>{more}</Container>"


def _name(name: str) -> str:
    if _NOT_IN_XML.search(name):
        return f'<Name Encoded="true">{quote(name)}</Name>'
    return _element("Name", name)


def _block(piece: Piece) -> str:
    return f"<Block>{_element('Name', piece.block)}{_element('Size', str(piece.size))}</Block>"


def _metadata(metadata: Mapping[str, str]) -> str:
    return f"<Metadata>{''.join(_element(name, value) for name, value in metadata.items())}</Metadata>"


def _asked(asked: Mapping[str, str]) -> str:
    return "".join(_element(name, value) for name, value in asked.items())


def _element(name: str, text: str) -> str:
    return f"<{name}>{escape(_NOT_IN_XML.sub('?', text))}</{name}>" if text else f"<{name} />"


def _quoted(text: str) -> str:
    return f'"{escape(text, {chr(34): "&quot;"})}"'


def _document(root: str) -> bytes:
    return (_HEAD + root).encode()

"""The registry on the wire, clause by clause of the registry contract."""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from hotori.images.descriptor import OCI_CONFIG, OCI_INDEX, OCI_LAYER, OCI_MANIFEST, digest_of
from hotori.images.image_files import UPLOAD_AGE, ImageFiles
from hotori.model.secret import Secret
from hotori.testing.registry_server import TestRegistry, registry_server

UNKNOWN = digest_of(b"nobody pushed this")


@pytest.fixture
async def registry(tmp_path: Path) -> AsyncIterator[TestRegistry]:
    async with registry_server(tmp_path / "registry") as registry:
        yield registry


@pytest.fixture
async def http(registry: TestRegistry) -> AsyncIterator[httpx.AsyncClient]:
    async with client(registry.address) as http:
        yield http


def client(address: str, **options: object) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=f"http://{address}", trust_env=False, **options)  # type: ignore[arg-type]


def code(response: httpx.Response) -> str:
    return str(response.json()["errors"][0]["code"])


async def push_blob(http: httpx.AsyncClient, content: bytes, name: str = "team/app") -> str:
    digest = digest_of(content)
    location = (await http.post(f"/v2/{name}/blobs/uploads/")).headers["Location"]
    response = await http.put(location, params={"digest": digest}, content=content)
    assert response.status_code == 201
    return digest


async def push_manifest(
    http: httpx.AsyncClient, tag: str = "1.0", name: str = "team/app", **extra: object
) -> tuple[str, bytes]:
    config, layer = b'{"architecture":"amd64","os":"linux"}', b"layer"
    for content in (config, layer):
        await push_blob(http, content, name)
    document = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": {"mediaType": OCI_CONFIG, "digest": digest_of(config), "size": len(config)},
        "layers": [{"mediaType": OCI_LAYER, "digest": digest_of(layer), "size": len(layer)}],
        **extra,
    }
    body = json.dumps(document, indent=3).encode()
    response = await http.put(f"/v2/{name}/manifests/{tag}", content=body, headers={"Content-Type": OCI_MANIFEST})
    assert response.status_code == 201, response.text
    assert response.headers["Docker-Content-Digest"] == digest_of(body)
    return digest_of(body), body


async def test_the_base_address_says_which_api_it_is(http: httpx.AsyncClient) -> None:
    """Contract 1, row 1."""
    response = await http.get("/v2/")
    assert (response.status_code, response.json()) == (200, {})
    assert response.headers["Docker-Distribution-Api-Version"] == "registry/2.0"
    moved = await http.get("/v2")
    assert (moved.status_code, moved.headers["Location"]) == (301, "/v2/")


async def test_a_blob_is_pushed_in_one_patch_as_engines_do_and_read_back(http: httpx.AsyncClient) -> None:
    """Contract 2: POST, one chunked PATCH without Content-Range, an empty PUT; rows 2, 4a, 5 and 6."""
    content = b"0123456789" * 200_000
    begun = await http.post("/v2/team/app/blobs/uploads/")
    assert (begun.status_code, begun.headers["Range"], begun.headers["Content-Length"]) == (202, "0-0", "0")
    assert begun.headers["Docker-Upload-UUID"]

    async def pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(content), 300_000):
            yield content[start : start + 300_000]

    patched = await http.patch(begun.headers["Location"], content=pieces())
    assert (patched.status_code, patched.headers["Range"]) == (202, f"0-{len(content) - 1}")
    digest = digest_of(content)
    done = await http.put(patched.headers["Location"], params={"digest": digest})
    assert (done.status_code, done.headers["Location"]) == (201, f"/v2/team/app/blobs/{digest}")

    head = await http.head(f"/v2/team/app/blobs/{digest}")
    assert (head.status_code, head.headers["Content-Length"], head.content) == (200, str(len(content)), b"")
    read = await http.get(f"/v2/team/app/blobs/{digest}")
    assert read.content == content
    assert read.headers["Docker-Content-Digest"] == digest
    assert read.headers["Content-Type"] == "application/octet-stream"


async def test_a_blob_is_pushed_in_one_request(http: httpx.AsyncClient) -> None:
    """Contract 1, row 4b."""
    response = await http.post("/v2/app/blobs/uploads/", params={"digest": digest_of(b"whole")}, content=b"whole")
    assert response.status_code == 201
    assert (await http.get(response.headers["Location"])).content == b"whole"


async def test_an_empty_blob_and_one_by_sha512_are_legal(http: httpx.AsyncClient) -> None:
    """Contract 2: empty blobs; sha512 where the closing PUT asks for it."""
    await push_blob(http, b"")
    digest = f"sha512:{hashlib.sha512(b'content').hexdigest()}"
    location = (await http.post("/v2/team/app/blobs/uploads/")).headers["Location"]
    await http.patch(location, content=b"content")
    assert (await http.put(location, params={"digest": digest})).status_code == 201
    assert (await http.get(f"/v2/team/app/blobs/{digest}")).content == b"content"


async def test_a_wrong_digest_is_refused_and_nothing_is_kept(http: httpx.AsyncClient, registry: TestRegistry) -> None:
    """Contract 2: verified while streaming; on mismatch 400 DIGEST_INVALID and keep nothing."""
    location = (await http.post("/v2/app/blobs/uploads/")).headers["Location"]
    response = await http.put(location, params={"digest": UNKNOWN}, content=b"something else")
    assert (response.status_code, code(response)) == (400, "DIGEST_INVALID")
    assert (await http.head(f"/v2/app/blobs/{UNKNOWN}")).status_code == 404
    assert (await http.get(location)).status_code == 404
    assert [path for path in registry.folder.rglob("*") if path.is_file()] == []


async def test_chunks_out_of_order_are_refused_and_the_upload_goes_on(http: httpx.AsyncClient) -> None:
    """Contract 1 row 5 and contract 2: 416, the session stays usable; GET says where it stands (row 13)."""
    location = (await http.post("/v2/app/blobs/uploads/")).headers["Location"]
    first = await http.patch(location, content=b"abc", headers={"Content-Range": "0-2"})
    assert first.status_code == 202
    wrong = await http.patch(location, content=b"ghi", headers={"Content-Range": "6-8"})
    assert (wrong.status_code, wrong.headers["Range"]) == (416, "0-2")
    stands = await http.get(location)
    assert (stands.status_code, stands.headers["Range"]) == (204, "0-2")
    last = await http.put(
        location, params={"digest": digest_of(b"abcdef")}, content=b"def", headers={"Content-Range": "3-5"}
    )
    assert last.status_code == 201


async def test_a_content_range_that_does_not_fit_the_body_is_refused(http: httpx.AsyncClient) -> None:
    location = (await http.post("/v2/app/blobs/uploads/")).headers["Location"]
    response = await http.patch(location, content=b"abc", headers={"Content-Range": "0-7"})
    assert (response.status_code, code(response)) == (400, "BLOB_UPLOAD_INVALID")


async def test_an_upload_can_be_cancelled_and_is_then_unknown(http: httpx.AsyncClient) -> None:
    """Contract 1, row 14."""
    location = (await http.post("/v2/app/blobs/uploads/")).headers["Location"]
    assert (await http.delete(location)).status_code == 204
    assert code(await http.patch(location, content=b"x")) == "BLOB_UPLOAD_UNKNOWN"
    assert (await http.delete(location)).status_code == 404


async def test_an_upload_survives_a_restart_of_the_registry(tmp_path: Path) -> None:
    """Contract 6 E: killed between PATCH and PUT."""
    async with registry_server(tmp_path) as registry, client(registry.address) as http:
        location = (await http.post("/v2/app/blobs/uploads/")).headers["Location"]
        await http.patch(location, content=b"first ")
    async with registry_server(tmp_path) as registry, client(registry.address) as http:
        response = await http.put(location, params={"digest": digest_of(b"first last")}, content=b"last")
        assert response.status_code == 201


def test_an_upload_that_nobody_went_on_with_is_forgotten_after_a_day(tmp_path: Path) -> None:
    """Contract 2: expiry by time."""
    now = [0.0]
    files = ImageFiles(tmp_path, clock=lambda: now[0])
    old = files.begin_upload("app")
    now[0] = old.path.stat().st_mtime + UPLOAD_AGE + 1
    files.begin_upload("app")
    assert files.upload("app", old.id) is None


async def test_a_blob_is_mounted_from_another_repository_and_otherwise_uploaded(http: httpx.AsyncClient) -> None:
    """Contract 1, row 11: 201 where it can, 202 and an upload where it cannot; `from` may be missing."""
    digest = await push_blob(http, b"shared", "team/app")
    assert (await http.head(f"/v2/other/blobs/{digest}")).status_code == 404
    mounted = await http.post("/v2/other/blobs/uploads/", params={"mount": digest, "from": "team/app"})
    assert (mounted.status_code, mounted.headers["Location"]) == (201, f"/v2/other/blobs/{digest}")
    assert (await http.get(f"/v2/other/blobs/{digest}")).content == b"shared"
    assert (await http.post("/v2/third/blobs/uploads/", params={"mount": digest})).status_code == 201
    cannot = await http.post("/v2/fourth/blobs/uploads/", params={"mount": UNKNOWN, "from": "team/app"})
    assert cannot.status_code == 202
    assert "/blobs/uploads/" in cannot.headers["Location"]


@pytest.mark.parametrize(
    ("header", "status", "content"),
    [
        ("bytes=2-4", 206, b"234"),
        ("bytes=7-", 206, b"789"),
        ("bytes=-2", 206, b"89"),
        ("bytes=8-99", 206, b"89"),
        ("bytes=0-1,4-5", 200, b"0123456789"),
        ("lines=1-2", 200, b"0123456789"),
        ("bytes=4-2", 200, b"0123456789"),
    ],
)
async def test_a_part_of_a_blob_is_read(http: httpx.AsyncClient, header: str, status: int, content: bytes) -> None:
    """Contract 1, row 2: 206 for one range; what is not understood gives the whole."""
    digest = await push_blob(http, b"0123456789")
    response = await http.get(f"/v2/team/app/blobs/{digest}", headers={"Range": header})
    assert (response.status_code, response.content) == (status, content)


async def test_a_range_past_the_end_is_refused(http: httpx.AsyncClient) -> None:
    digest = await push_blob(http, b"0123456789")
    response = await http.get(f"/v2/team/app/blobs/{digest}", headers={"Range": "bytes=10-"})
    assert (response.status_code, response.headers["Content-Range"]) == (416, "bytes */10")


@pytest.mark.parametrize("digest", ["sha256:abc", "md5:" + "0" * 32, "sha256:" + "G" * 64])
async def test_a_malformed_digest_is_told_from_an_unknown_one(http: httpx.AsyncClient, digest: str) -> None:
    """Contract 1, row 2 and contract 6 A: also for manifests."""
    for kind in ("blobs", "manifests"):
        response = await http.get(f"/v2/app/{kind}/{digest}")
        assert (response.status_code, code(response)) == (400, "DIGEST_INVALID")
    assert code(await http.get(f"/v2/app/blobs/{UNKNOWN}")) == "BLOB_UNKNOWN"


async def test_a_manifest_comes_back_byte_for_byte_by_tag_and_by_digest(http: httpx.AsyncClient) -> None:
    """Contract 1 rows 3 and 7; contract 3: always the stored type, whatever Accept says."""
    digest, body = await push_manifest(http)
    for selector in ("1.0", digest):
        response = await http.get(f"/v2/team/app/manifests/{selector}", headers={"Accept": "application/other"})
        assert response.content == body
        assert response.headers["Content-Type"] == OCI_MANIFEST
        assert response.headers["Docker-Content-Digest"] == digest
    head = await http.head("/v2/team/app/manifests/1.0")
    assert (head.headers["Content-Length"], head.content) == (str(len(body)), b"")


async def test_a_missing_tag_is_told_from_a_missing_repository(http: httpx.AsyncClient) -> None:
    await push_manifest(http)
    assert code(await http.get("/v2/team/app/manifests/9.9")) == "MANIFEST_UNKNOWN"
    assert code(await http.get("/v2/nobody/manifests/1.0")) == "NAME_UNKNOWN"


async def test_a_manifest_names_each_blob_that_is_missing(http: httpx.AsyncClient) -> None:
    """Contract 1, row 7: one error per missing blob; contract 3: layers that are not distributed may be missing."""
    parts = [{"mediaType": OCI_LAYER, "digest": digest_of(content), "size": 1} for content in (b"1", b"2")]
    foreign = {"mediaType": "application/vnd.oci.image.layer.nondistributable.v1.tar", "digest": UNKNOWN, "size": 1}
    config = {"mediaType": OCI_CONFIG, "digest": await push_blob(http, b"{}"), "size": 2}
    document = {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config, "layers": [*parts, foreign]}
    response = await http.put(
        "/v2/team/app/manifests/1.0", content=json.dumps(document), headers={"Content-Type": OCI_MANIFEST}
    )
    assert (response.status_code, code(response)) == (400, "MANIFEST_BLOB_UNKNOWN")
    assert [error["detail"]["digest"] for error in response.json()["errors"]] == [part["digest"] for part in parts]


@pytest.mark.parametrize("body", [b"not json", b"[]", b'{"schemaVersion":1}', b'{"schemaVersion":2}'])
async def test_what_is_no_manifest_is_refused(http: httpx.AsyncClient, body: bytes) -> None:
    response = await http.put("/v2/app/manifests/1", content=body, headers={"Content-Type": OCI_MANIFEST})
    assert (response.status_code, code(response)) == (400, "MANIFEST_INVALID")


async def test_a_manifest_of_four_mebibytes_passes_and_one_above_the_limit_does_not(http: httpx.AsyncClient) -> None:
    """Contract 1, row 7."""
    await push_manifest(http, annotations={"org.example.padding": "x" * (4 << 20)})
    response = await http.put("/v2/app/manifests/1", content=b"x" * (9 << 20), headers={"Content-Type": OCI_MANIFEST})
    assert response.status_code == 413


async def test_a_digest_in_the_address_must_be_that_of_the_content(http: httpx.AsyncClient) -> None:
    _, body = await push_manifest(http)
    headers = {"Content-Type": OCI_MANIFEST}
    wrong = await http.put(f"/v2/team/app/manifests/{UNKNOWN}", content=body, headers=headers)
    assert (wrong.status_code, code(wrong)) == (400, "DIGEST_INVALID")


async def test_one_put_sets_several_tags(http: httpx.AsyncClient) -> None:
    """Contract 1, row 7: `?tag=a&tag=b`, answered by OCI-Tag."""
    digest, body = await push_manifest(http)
    response = await http.put(
        f"/v2/team/app/manifests/{digest}",
        params={"tag": ["a", "b"]},
        content=body,
        headers={"Content-Type": OCI_MANIFEST},
    )
    assert response.headers.get_list("OCI-Tag") == ["a", "b"]
    assert (await http.get("/v2/team/app/manifests/b")).content == body


async def test_tags_are_listed_in_pages_and_in_order(http: httpx.AsyncClient) -> None:
    """Contract 1, row 8."""
    for tag in ("b", "a", "C", "10"):
        await push_manifest(http, tag)
    assert (await http.get("/v2/team/app/tags/list")).json() == {"name": "team/app", "tags": ["10", "C", "a", "b"]}
    page = await http.get("/v2/team/app/tags/list", params={"n": 3})
    assert page.json()["tags"] == ["10", "C", "a"]
    assert page.links["next"]["url"] == "/v2/team/app/tags/list?n=3&last=a"
    rest = await http.get(page.links["next"]["url"])
    assert (rest.json()["tags"], "Link" in rest.headers) == (["b"], False)
    none = await http.get("/v2/team/app/tags/list", params={"n": 0})
    assert (none.json()["tags"], "Link" in none.headers) == ([], False)
    assert code(await http.get("/v2/team/app/tags/list", params={"n": "x"})) == "PAGINATION_NUMBER_INVALID"
    assert code(await http.get("/v2/nobody/tags/list")) == "NAME_UNKNOWN"


async def test_the_catalogue_lists_repositories_in_pages(http: httpx.AsyncClient) -> None:
    """Contract 1, cat."""
    for name in ("b", "a/deep/one", "a"):
        await push_manifest(http, name=name)
    assert (await http.get("/v2/_catalog")).json() == {"repositories": ["a", "a/deep/one", "b"]}
    page = await http.get("/v2/_catalog", params={"n": 1, "last": "a"})
    assert (page.json()["repositories"], "next" in page.links) == (["a/deep/one"], True)


async def test_what_speaks_of_a_manifest_is_listed_as_its_referrer(http: httpx.AsyncClient) -> None:
    """Contract 1, row 12, and contract 3: subject may be missing."""
    subject = {"mediaType": OCI_MANIFEST, "digest": UNKNOWN, "size": 1}
    digest, _ = await push_manifest(http, "signature", subject=subject, artifactType="application/signature")
    everything = await http.get(f"/v2/team/app/referrers/{UNKNOWN}")
    assert everything.headers["Content-Type"] == OCI_INDEX
    assert [item["digest"] for item in everything.json()["manifests"]] == [digest]
    other = await http.get(f"/v2/team/app/referrers/{UNKNOWN}", params={"artifactType": "application/other"})
    assert (other.json()["manifests"], other.headers["OCI-Filters-Applied"]) == ([], "artifactType")
    assert (await http.get(f"/v2/nobody/referrers/{UNKNOWN}")).json()["manifests"] == []
    assert (await http.delete(f"/v2/team/app/manifests/{digest}")).status_code == 202
    assert (await http.get(f"/v2/team/app/referrers/{UNKNOWN}")).json()["manifests"] == []


async def test_a_tag_is_deleted_alone_and_a_digest_with_all_its_tags(http: httpx.AsyncClient) -> None:
    """Contract 1, row 9."""
    digest, _ = await push_manifest(http, "a")
    for tag in ("b", "c"):
        await push_manifest(http, tag)
    assert (await http.delete("/v2/team/app/manifests/a")).status_code == 202
    assert (await http.get("/v2/team/app/tags/list")).json()["tags"] == ["b", "c"]
    assert (await http.get(f"/v2/team/app/manifests/{digest}")).status_code == 200
    assert (await http.delete(f"/v2/team/app/manifests/{digest}")).status_code == 202
    assert (await http.get("/v2/team/app/tags/list")).json()["tags"] == []
    assert (await http.delete(f"/v2/team/app/manifests/{digest}")).status_code == 404


async def test_a_blob_goes_with_the_last_repository_that_has_it(
    http: httpx.AsyncClient, registry: TestRegistry
) -> None:
    """Contract 1, row 10."""
    digest = await push_blob(http, b"shared", "one")
    await push_blob(http, b"shared", "two")
    assert (await http.delete(f"/v2/one/blobs/{digest}")).status_code == 202
    assert (await http.get(f"/v2/one/blobs/{digest}")).status_code == 404
    assert (await http.get(f"/v2/two/blobs/{digest}")).content == b"shared"
    assert (await http.delete(f"/v2/two/blobs/{digest}")).status_code == 202
    assert not registry.files.content.has(digest)
    assert (await http.delete(f"/v2/two/blobs/{digest}")).status_code == 404


@pytest.mark.parametrize("name", ["Upper", "a//b", "-a", "a..b", "_manifests", "a/%2E%2E/b"])
async def test_a_name_that_is_none_is_refused(http: httpx.AsyncClient, name: str) -> None:
    response = await http.post(f"/v2/{name}/blobs/uploads/")
    assert (response.status_code, code(response)) == (400, "NAME_INVALID")


async def test_a_method_that_is_not_done_is_refused_with_those_that_are(http: httpx.AsyncClient) -> None:
    response = await http.post("/v2/app/manifests/1")
    assert (response.status_code, code(response)) == (405, "UNSUPPORTED")
    assert "PUT" in response.headers["Allow"]


@pytest.mark.parametrize(
    "header", [None, "Basic Og==", "Basic bm90IGFsaWNl", "Basic %%%", "Bearer token", "Basic " + "YWxpY2U6d3Jvbmc="]
)
async def test_who_has_no_password_gets_a_challenge(tmp_path: Path, header: str | None) -> None:
    """Contract 4: also `Basic Og==`, which anonymous engines send, must be a clean 401."""
    credentials = {"alice": Secret("right"), "": Secret("")}
    headers = {"Authorization": header} if header else {}
    async with registry_server(tmp_path, credentials) as registry, client(registry.address, headers=headers) as http:
        response = await http.get("/v2/")
        assert (response.status_code, code(response)) == (401, "UNAUTHORIZED")
        assert response.headers["WWW-Authenticate"].startswith("Basic realm=")


async def test_who_has_the_password_gets_in(tmp_path: Path) -> None:
    async with (
        registry_server(tmp_path, {"alice": Secret("right")}) as registry,
        client(registry.address, auth=("alice", "right")) as http,
    ):
        assert (await http.get("/v2/")).status_code == 200

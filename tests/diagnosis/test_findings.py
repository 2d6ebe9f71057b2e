"""Each exact text that engines, registries and programs are known to write leads to its one cause."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hotori.diagnosis.evidence import ConnectEvidence, ExitEvidence, PullEvidence
from hotori.diagnosis.findings import findings
from hotori.problems import Language, Problem


def only(found: tuple[Problem, ...]) -> Problem:
    assert len(found) == 1
    return found[0]


LOG_LINES = [
    ("exec /usr/bin/python3: exec format error", "module-wrong-architecture", {"program": "/usr/bin/python3"}),
    (
        'standard_init_linux.go:228: exec user process caused "exec format error"',
        "module-wrong-architecture",
        {"program": "its program"},
    ),
    (
        '{"msg":"exec container process `/usr/bin/python3`: Exec format error","level":"error"}',
        "module-wrong-architecture",
        {"program": "/usr/bin/python3"},
    ),
    ("exec /app: no such file or directory", "module-program-missing", {"program": "/app"}),
    ("ModuleNotFoundError: No module named 'cv2'", "module-import-error", {"package": "cv2"}),
    ("ModuleNotFoundError: No module named 'azure.iot.device'", "module-import-error", {"package": "azure"}),
    (
        "ImportError: cannot import name 'BlockBlobService' from 'azure.storage.blob' (/usr/lib/x.py)",
        "module-import-error",
        {"package": "azure"},
    ),
    (
        "ImportError: libGL.so.1: cannot open shared object file: No such file or directory",
        "module-library-missing",
        {"library": "libGL.so.1"},
    ),
    ("Error: Cannot find module 'express'", "module-import-error", {"package": "express"}),
    ("KeyError: 'IMAGE_PROCESSING_ENDPOINT'", "module-missing-environment", {"variable": "IMAGE_PROCESSING_ENDPOINT"}),
    (
        "Environment variable IOTEDGE_WORKLOADURI is required.",
        "module-missing-environment",
        {"variable": "IOTEDGE_WORKLOADURI"},
    ),
    ("OSError: IoT Edge environment not configured correctly", "module-missing-environment", {}),
    ("MemoryError", "module-out-of-memory", {}),
    ("terminate called after throwing an instance of 'std::bad_alloc'", "module-out-of-memory", {}),
    ("OSError: [Errno 28] No space left on device", "module-disk-full", {}),
    ("Fatal Python error: pyinit_main: can't initialize time", "module-host-library-old", {}),
    ("Illegal instruction (core dumped)", "module-illegal-instruction", {}),
    ("OSError: [Errno 98] Address already in use", "module-port-in-use", {"port": "it asks for"}),
    ("FileNotFoundError: [Errno 2] No such file or directory: '/dev/video0'", "module-device-missing",
     {"device": "/dev/video0"}),
    ("VIDEOIO(V4L2): can't open camera by index /dev/video1", "module-device-missing", {"device": "/dev/video1"}),
    ("No cameras available", "module-device-missing", {}),
    ("ssl.SSLCertVerificationError: [SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: unable to get local",
     "module-certificate-untrusted", {}),
    ("socket.gaierror: [Errno -2] Name or service not known", "module-name-unresolved", {}),
    ("socket.gaierror: [Errno -3] Temporary failure in name resolution", "module-name-unresolved", {}),
    (
        "UnauthorizedError: mqtt.js returned Failure on first connection (Not authorized): connect ECONNREFUSED "
        "172.18.0.3:8883",
        "module-connection-refused",
        {},
    ),
    ("ConnectionRefusedError: [Errno 111] Connection refused", "module-connection-refused", {}),
    ("azure.iot.device.exceptions.CredentialError: Credentials invalid, could not connect", "module-unauthorised", {}),
]  # fmt: skip


@pytest.mark.parametrize(("line", "code", "values"), LOG_LINES)
def test_the_last_words_of_a_program_name_the_cause(line: str, code: str, values: dict[str, str]) -> None:
    log = f"starting\nTraceback (most recent call last):\n  File main.py, line 3\n{line}\n"

    problem = only(findings(ExitEvidence("camera", exit_code=1, log_tail=log)))

    assert problem.code == code
    assert problem.evidence == (line,)
    assert {"module": "camera", **values}.items() <= problem.values.items()


ENGINE_TEXTS = [
    (
        "failed to create shim task: OCI runtime create failed: runc create failed: unable to start container process: "
        'exec: "/no/such/binary": stat /no/such/binary: no such file or directory: unknown',
        "module-program-missing",
    ),
    ('exec: "python3 -V": executable file not found in $PATH', "module-program-missing"),
    (
        "runc: runc create failed: unable to start container process: OCI runtime attempted to invoke a command that "
        "was not found",
        "module-program-missing",
    ),
    ('runc create failed: exec: "/app/run": permission denied: unknown', "module-program-not-executable"),
    (
        "driver failed programming external connectivity on endpoint p2 (5c): Bind for 0.0.0.0:18080 failed: port is "
        "already allocated",
        "module-port-in-use",
    ),
    (
        "Error starting userland proxy: listen tcp4 0.0.0.0:18081: bind: address already in use",
        "module-port-in-use",
    ),
    ("cannot listen on the TCP port: listen tcp4 :18080: bind: address already in use", "module-port-in-use"),
    ("unable to find user ghost: no matching entries in passwd file", "module-user-missing"),
    (
        'error gathering device information while adding custom device "/dev/ttyUSB0": no such file or directory',
        "module-device-missing",
    ),
    ("stat /dev/ttyUSB0: no such file or directory", "module-device-missing"),
    ("write /var/lib/docker/overlay2/link: no space left on device", "module-disk-full"),
    (
        "json: cannot unmarshal string into Go struct field HostConfig.HostConfig.Memory of type int64",
        "module-options-refused",
    ),
    ('invalid port specification: "abc"', "module-options-refused"),
    ("invalid restart policy 'sometimes'", "module-options-refused"),
    ("invalid mode: zzz", "module-options-refused"),
    ("Minimum memory limit allowed is 6MB", "module-options-refused"),
    ("network ghost not found", "module-network-missing"),
    ("No such image: localhost:5000/nosuch:1", "image-absent"),
    ("no such image: localhost:5000/nosuch:1: image not known", "image-absent"),
    (
        "image with reference X was found but does not match the specified platform: wanted linux/amd64, actual: "
        "linux/arm64",
        "image-wrong-platform",
    ),
]


@pytest.mark.parametrize(("text", "code"), ENGINE_TEXTS)
def test_an_engine_that_will_not_start_a_module_names_the_cause(text: str, code: str) -> None:
    assert only(findings(ExitEvidence("camera", exit_code=128, error=text))).code == code


PULL_TEXTS = [
    ("manifest for H/edge/pybase:9 not found: manifest unknown: manifest unknown", "image-not-found"),
    ("reading manifest 9 in H/edge/pybase: manifest unknown", "image-not-found"),
    ('Head "http://H/v2/edge/pybase/manifests/1": no basic auth credentials', "registry-unauthorized"),
    ("unauthorized: authentication required", "registry-unauthorized"),
    (
        "pull access denied for x, repository does not exist or may require 'docker login'",
        "registry-unauthorized",
    ),
    ('Get "http://127.0.0.1:5059/v2/": dial tcp 127.0.0.1:5059: connect: connection refused', "registry-unreachable"),
    ("dial tcp: lookup nosuch.registry.invalid on 10.255.255.53:53: no such host", "registry-unreachable"),
    ("lookup reg on 10.0.0.1:53: read udp 10.0.0.2:4: i/o timeout", "registry-unreachable"),
    ("http: server gave HTTP response to HTTPS client", "registry-without-tls"),
    ("x509: certificate signed by unknown authority", "certificate-untrusted"),
    ("filesystem layer verification failed for digest sha256:0123", "image-damaged"),
    ("Digest did not match, expected sha256:1, got sha256:2", "image-damaged"),
    ("unknown blob", "image-damaged"),
    (
        "failed to register layer: Error processing tar file(exit status 1): write /x: no space left on device",
        "module-disk-full",
    ),
    ("invalid reference format: repository name must be lowercase", "image-reference-invalid"),
    ("no matching manifest for linux/amd64 in the manifest list entries", "image-wrong-platform"),
    (
        'no image found in image index for architecture amd64, variant "", OS linux',
        "image-wrong-platform",
    ),
    ("something nobody has seen before", "registry-refused"),
]


@pytest.mark.parametrize(("text", "code"), PULL_TEXTS)
def test_a_failed_pull_names_the_cause(text: str, code: str) -> None:
    problem = only(findings(PullEvidence("camera", "127.0.0.1:5000/edge/pybase:9", text)))

    assert problem.code == code


CONNECT_TEXTS = [
    ("[Errno 111] Connect call failed: Connection refused", "cloud-unreachable", "no program listens"),
    ("[Errno -2] Name or service not known", "cloud-unreachable", "no machine of that name"),
    ("[Errno -3] Temporary failure in name resolution", "cloud-unreachable", "no name server"),
    ("[Errno 101] Network is unreachable", "cloud-unreachable", "no way to that network"),
    ("timed out", "cloud-unreachable", "no answer came in time"),
    ("", "cloud-unreachable", "no reason was given"),
    (
        "[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: Hostname mismatch, not valid for 'x'. "
        "(_ssl.c:1000)",
        "certificate-untrusted",
        "Hostname mismatch",
    ),
]


@pytest.mark.parametrize(("text", "code", "reason"), CONNECT_TEXTS)
def test_refused_unknown_slow_and_untrusted_stay_apart(text: str, code: str, reason: str) -> None:
    problem = only(findings(ConnectEvidence("hub.example.net:8883", text)))

    assert problem.code == code
    assert reason in problem.values["reason"]


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (1, "module-crashed"),
        (132, "module-illegal-instruction"),
        (137, "module-killed"),
        (139, "module-segfault"),
        (-9, "module-killed"),
        (-11, "module-segfault"),
    ],
)
def test_an_exit_status_alone_still_says_something(status: int, code: str) -> None:
    problem = only(findings(ExitEvidence("camera", exit_code=status, log_tail="one\ntwo\n")))

    assert problem.code == code
    assert problem.evidence[-2:] == ("one", "two")


def test_memory_is_named_where_the_engine_says_so() -> None:
    assert only(findings(ExitEvidence("camera", exit_code=137, out_of_memory=True))).code == "module-out-of-memory"


def test_a_module_that_ended_well_has_no_problem() -> None:
    assert findings(ExitEvidence("camera", log_tail="ConnectionRefusedError, but it went on")) == ()


@pytest.mark.parametrize(
    "secret",
    [
        "HostName=h;DeviceId=d;SharedAccessKey={};x",
        "AccountName=a;AccountKey={};",
        "sr=h&sig={}&se=1",
        "REGISTRY_PASSWORD={}",
    ],
)
def test_evidence_shows_no_key(secret: str) -> None:
    log = "using " + secret.format("c2VjcmV0")

    problem = only(findings(ExitEvidence("camera", exit_code=1, log_tail=log)))

    assert "c2VjcmV0" not in str(problem.document())


@given(st.text(), st.text(), st.integers(-64, 255))
def test_any_words_lead_to_at_most_one_finding_that_can_be_read(error: str, log: str, status: int) -> None:
    for problem in findings(ExitEvidence("m", status, error=error, log_tail=log)):
        for language in Language:
            assert problem.title(language)
            assert problem.remedy(language)

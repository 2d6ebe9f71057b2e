"""What the words of engines, registries and programs mean: one table for each who speaks.

The first line of a table that fits is taken, so the more telling ones stand first.
"""

from __future__ import annotations

from hotori.diagnosis.clues import clue
from hotori.problems import Words
from hotori.problems.engines import MODULE_BIND_MISSING, MODULE_NAME_TAKEN, MODULE_NETWORK_MISSING
from hotori.problems.images import (
    IMAGE_ABSENT,
    IMAGE_DAMAGED,
    IMAGE_NOT_FOUND,
    IMAGE_REFERENCE_INVALID,
    IMAGE_WRONG_PLATFORM,
    REGISTRY_REFUSED,
    REGISTRY_UNAUTHORIZED,
    REGISTRY_UNREACHABLE,
)
from hotori.problems.module_ends import (
    MODULE_CERTIFICATE_UNTRUSTED,
    MODULE_CONNECTION_REFUSED,
    MODULE_DEVICE_MISSING,
    MODULE_DISK_FULL,
    MODULE_HOST_LIBRARY_OLD,
    MODULE_ILLEGAL_INSTRUCTION,
    MODULE_IMPORT_ERROR,
    MODULE_LIBRARY_MISSING,
    MODULE_MISSING_ENVIRONMENT,
    MODULE_NAME_UNRESOLVED,
    MODULE_OPTIONS_REFUSED,
    MODULE_OUT_OF_MEMORY,
    MODULE_PORT_IN_USE,
    MODULE_UNAUTHORISED,
    MODULE_USER_MISSING,
    MODULE_WRONG_ARCHITECTURE,
    REGISTRY_WITHOUT_TLS,
)
from hotori.problems.modules import MODULE_PROGRAM_MISSING, MODULE_PROGRAM_NOT_EXECUTABLE
from hotori.problems.network import CERTIFICATE_UNTRUSTED, CLOUD_UNREACHABLE

_EXEC_FORMAT = (
    clue(r"exec container process `(?P<program>[^`]+)`: Exec format error", MODULE_WRONG_ARCHITECTURE),
    clue(
        r"exec (?:user process caused )?[:\s\"]*(?P<program>/[^\s:\"]+)?[:\s\"]*exec format error",
        MODULE_WRONG_ARCHITECTURE,
        program=Words("its program", "プログラム"),
    ),
    clue(
        r"\[Errno 8\] Exec format error(?:: '(?P<program>[^']*)')?",
        MODULE_WRONG_ARCHITECTURE,
        program=Words("its program", "プログラム"),
    ),
)

_SOMEBODY = Words("Another program or module", "別のプログラムかモジュール")

ENGINE = (
    *_EXEC_FORMAT,
    clue(
        r"image with reference (?P<image>\S+) was found .* wanted (?P<wanted>[^,\s]+), actual: (?P<found>\S+)",
        IMAGE_WRONG_PLATFORM,
    ),
    clue(r"[Nn]o such image: (?P<image>[^\s]+?)(?:: image not known)?$", IMAGE_ABSENT),
    clue(r'container name "/?(?P<name>[^"]+)" is already in use', MODULE_NAME_TAKEN),
    clue(r"network (?P<network>\S+) not found", MODULE_NETWORK_MISSING),
    clue(r"unable to find network with name or ID (?P<network>[^:\s]+)", MODULE_NETWORK_MISSING),
    clue(r"bind source path does not exist: (?P<path>\S+)", MODULE_BIND_MISSING),
    clue(
        r"(?P<reason>(?:Minimum memory limit|Range of CPUs|unable to apply caps|error setting rlimit|"
        r"unable to set memory limit|invalid option type|\S+ is not a valid restart policy).*)",
        MODULE_OPTIONS_REFUSED,
    ),
    clue(r'exec: "(?P<program>[^"]+)": .*permission denied', MODULE_PROGRAM_NOT_EXECUTABLE),
    clue(r'exec: "(?P<program>[^"]+)": ', MODULE_PROGRAM_MISSING),
    clue(
        r"attempted to invoke a command that was not found",
        MODULE_PROGRAM_MISSING,
        program=Words("its program", "プログラム"),
    ),
    clue(
        r"runc create failed.*permission denied",
        MODULE_PROGRAM_NOT_EXECUTABLE,
        program=Words("its program", "プログラム"),
    ),
    clue(r"Bind for \S*:(?P<port>\d+) failed: port is already allocated", MODULE_PORT_IN_USE, holder=_SOMEBODY),
    clue(r"listen \w+ \S*:(?P<port>\d+): bind: address already in use", MODULE_PORT_IN_USE, holder=_SOMEBODY),
    clue(r"unable to find user (?P<user>[^:\s]+)", MODULE_USER_MISSING),
    clue(r'custom device "(?P<device>[^"]+)": no such file', MODULE_DEVICE_MISSING),
    clue(r"stat (?P<device>/dev/[^:\s]+): no such file", MODULE_DEVICE_MISSING),
    clue(r"no space left on device", MODULE_DISK_FULL),
    clue(r"(?P<reason>json: cannot unmarshal .*)", MODULE_OPTIONS_REFUSED),
    clue(
        r"(?P<reason>(?:invalid (?:port specification|restart policy|mode|environment)|Unknown runtime).*)",
        MODULE_OPTIONS_REFUSED,
    ),
)
"""What a container engine says when it will not create or start a module."""

LOG = (
    *_EXEC_FORMAT,
    clue(r"^exec (?P<program>\S+): no such file or directory", MODULE_PROGRAM_MISSING),
    clue(r"can't initialize time", MODULE_HOST_LIBRARY_OLD),
    clue(r"ModuleNotFoundError: No module named '(?P<package>[^'.]+)", MODULE_IMPORT_ERROR),
    clue(r"ImportError: (?P<library>lib[^\s:]+): cannot open shared object file", MODULE_LIBRARY_MISSING),
    clue(r"error while loading shared libraries: (?P<library>[^\s:]+)", MODULE_LIBRARY_MISSING),
    clue(r"ImportError: cannot import name .* from '(?P<package>[^'.]+)", MODULE_IMPORT_ERROR),
    clue(r"Cannot find module '(?P<package>[^']+)'", MODULE_IMPORT_ERROR),
    clue(r"KeyError: '(?P<variable>[A-Z][A-Z0-9_]{2,})'", MODULE_MISSING_ENVIRONMENT),
    clue(r"[Ee]nvironment variable (?P<variable>[A-Z][A-Z0-9_]+) (?:is|was|must|not)", MODULE_MISSING_ENVIRONMENT),
    clue(r"IoT ?Edge environment not configured correctly", MODULE_MISSING_ENVIRONMENT, variable="IOTEDGE_WORKLOADURI"),
    clue(r"MemoryError|bad_alloc|OutOfMemoryException|[Cc]annot allocate memory", MODULE_OUT_OF_MEMORY),
    clue(r"[Nn]o space left on device", MODULE_DISK_FULL),
    clue(r"Illegal instruction", MODULE_ILLEGAL_INSTRUCTION),
    clue(
        r"\[Errno 98\]|[Aa]ddress already in use(?:.*:(?P<port>\d+))?",
        MODULE_PORT_IN_USE,
        port=Words("it asks for", "（番号不明）"),
        holder=_SOMEBODY,
    ),
    clue(r"(?:No such file|[Cc]an't open|could not open).*?(?P<device>/dev/[\w/]+)", MODULE_DEVICE_MISSING),
    clue(r"[Nn]o cameras? available", MODULE_DEVICE_MISSING, device=Words("a camera", "カメラ")),
    clue(r"certificate verify failed|CERTIFICATE_VERIFY_FAILED", MODULE_CERTIFICATE_UNTRUSTED),
    clue(r"Name or service not known|[Tt]emporary failure in name|ENOTFOUND|gaierror", MODULE_NAME_UNRESOLVED),
    clue(r"ECONNREFUSED|[Cc]onnection ?[Rr]efused|\[Errno 111\]", MODULE_CONNECTION_REFUSED),
    clue(r"CredentialError|RefusedNotAuthorized|[Nn]ot authori[sz]ed|Bad_Credential", MODULE_UNAUTHORISED),
)
"""What a program writes before it ends. A refused connection stands before a refused token: some SDKs say both."""

PULL = (
    clue(
        r"no basic auth credentials|authentication required|pull access denied|may require 'docker login'|"
        r"unauthorized|denied: ",
        REGISTRY_UNAUTHORIZED,
        status="401",
    ),
    clue(r"manifest unknown|name unknown|manifest for \S+ not found", IMAGE_NOT_FOUND),
    clue(
        r"no (?:matching manifest for|image found in image index for architecture) ?\"?(?P<wanted>[\w/]+)",
        IMAGE_WRONG_PLATFORM,
        found=Words("other platforms", "別のプラットフォーム"),
    ),
    clue(r"wanted (?P<wanted>[^,\s]+), actual: (?P<found>\S+)", IMAGE_WRONG_PLATFORM),
    clue(r"(?P<reason>verification failed) for digest (?P<digest>sha256:\w+)", IMAGE_DAMAGED),
    clue(
        r"(?P<reason>[Dd]igest did not match.*)|(?P<digest>unknown blob)|(?:Error fetching blob.*404)",
        IMAGE_DAMAGED,
        reason=Words(
            "the registry lost a layer, or sent another one", "レジストリがレイヤーを失ったか、別のものを送りました"
        ),
        digest=Words("of a layer", "（レイヤー）"),
    ),
    clue(r"no space left on device", MODULE_DISK_FULL),
    clue(r"server gave HTTP response to HTTPS client", REGISTRY_WITHOUT_TLS),
    clue(r"(?P<reason>x509: .*)", CERTIFICATE_UNTRUSTED),
    clue(
        r"repository name must be lowercase|invalid reference format",
        IMAGE_REFERENCE_INVALID,
        reason=Words("a character in it is not allowed there", "使えない文字が含まれています"),
    ),
    clue(
        r"(?P<reason>connection refused|no such host|i/o timeout|no route to host|network is unreachable|"
        r"connection reset by peer|deadline exceeded|TLS handshake timeout)",
        REGISTRY_UNREACHABLE,
    ),
    clue(r"toomanyrequests|[Tt]oo [Mm]any [Rr]equests", REGISTRY_REFUSED, status="429", request="fetch the image"),
)
"""What engines pass on of a registry's answer. Status 500 does not mean engine trouble: the words decide."""

CONNECT = (
    clue(r"(?P<reason>certificate verify failed: .*?)(?: \(_ssl|$)", CERTIFICATE_UNTRUSTED),
    clue(r"(?P<reason>certificate has expired|[Hh]ostname mismatch.*|self.signed cert.*)", CERTIFICATE_UNTRUSTED),
    clue(
        r"[Cc]onnection ?[Rr]efused|ECONNREFUSED|Errno 111",
        CLOUD_UNREACHABLE,
        reason=Words(
            "the machine answers, but no program listens on that port",
            "機械は応答しますが、そのポートで待ち受けるプログラムがありません",
        ),
    ),
    clue(
        r"Name or service not known|ENOTFOUND|No address associated",
        CLOUD_UNREACHABLE,
        reason=Words("there is no machine of that name", "その名前の機械がありません"),
    ),
    clue(
        r"[Tt]emporary failure in name resolution",
        CLOUD_UNREACHABLE,
        reason=Words(
            "no name server answers, as when this machine is offline",
            "この機械がオフラインのときのように、名前サーバーが応答しません",
        ),
    ),
    clue(
        r"[Nn]etwork is unreachable|[Nn]o route to host",
        CLOUD_UNREACHABLE,
        reason=Words("there is no way to that network", "そのネットワークへの経路がありません"),
    ),
    clue(
        r"[Tt]imed? ?out|TimeoutError|ConnectTimeout",
        CLOUD_UNREACHABLE,
        reason=Words("no answer came in time", "時間内に応答がありませんでした"),
    ),
    clue(r"(?P<reason>.+)", CLOUD_UNREACHABLE),
)
"""What the network says when a connection fails: refused, unknown name, no answer and bad certificate stay apart."""

"""Problems of container engines and of what they are asked to do."""

from hotori.problems.kind import Kind, Words

ENGINE_UNREACHABLE = Kind(
    code="engine-unreachable",
    title=Words("No container engine answers at {address}", "{address} のコンテナーエンジンが応答しません"),
    cause=Words(
        "The engine (dockerd or podman) does not run, or it listens somewhere else: {reason}.",
        "エンジン（dockerd または podman）が動いていないか、別の場所で待ち受けています: {reason}。",
    ),
    remedy=Words(
        "Start the engine, give its address with --docker-host, or run modules as processes with --runtime process.",
        "エンジンを起動するか、--docker-host でアドレスを指定するか、--runtime process でプロセスとして動かしてください。",
    ),
    commands=("sudo systemctl start docker",),
)

ENGINE_FORBIDDEN = Kind(
    code="engine-forbidden",
    title=Words(
        "This user may not use the container engine at {address}",
        "このユーザーは {address} のコンテナーエンジンを使えません",
    ),
    cause=Words(
        "The engine's socket is there, and the system refused to open it: {reason}.",
        "エンジンのソケットはありますが、開くことを拒否されました: {reason}。",
    ),
    remedy=Words(
        "Add the user to the group that owns the socket and log in again; whoever is in it has all rights on the machine.",
        "ソケットを所有するグループにユーザーを加え、ログインし直してください。このグループは機械の全権限を持ちます。",
    ),
    commands=("sudo usermod -aG docker $USER",),
)

ENGINE_TOO_OLD = Kind(
    code="engine-too-old",
    title=Words(
        "The container engine {version} at {address} is too old",
        "{address} のコンテナーエンジン {version} は古すぎます",
    ),
    cause=Words(
        "It speaks version {found} of the Docker Engine API, and {wanted} is needed.",
        "Docker Engine API のバージョン {found} に対応していますが、{wanted} が必要です。",
    ),
    remedy=Words("Install a newer engine.", "新しいエンジンをインストールしてください。"),
    commands=("docker version",),
)

ENGINE_REFUSED = Kind(
    code="engine-refused",
    title=Words(
        "The container engine could not {action} {module}", "コンテナーエンジンが {module} を処理できません ({action})"
    ),
    cause=Words("The engine's words: {reason}.", "エンジンの応答: {reason}。"),
    remedy=Words(
        "Read the engine's words and its log. The step is tried again with growing pauses.",
        "エンジンの応答とログを確認してください。間隔を広げながら再試行します。",
    ),
    commands=("journalctl -u docker -n 50",),
)

MODULE_NAME_TAKEN = Kind(
    code="module-name-taken",
    title=Words("There is another container named {name}", "{name} という名前の別のコンテナーがあります"),
    cause=Words(
        "The module {module} is to run in a container of that name, and one that is not this device's has it. "
        "Containers of others are never touched.",
        "モジュール {module} のコンテナーに付ける名前を、このデバイスのものではないコンテナーが使っています。"
        "ほかのコンテナーには触れません。",
    ),
    remedy=Words(
        "Rename or remove that container, or give the module another name.",
        "そのコンテナーの名前を変えるか削除するか、モジュールに別の名前を付けてください。",
    ),
    commands=("docker inspect {name}",),
)

MODULE_NETWORK_MISSING = Kind(
    code="module-network-missing",
    title=Words(
        "{module} wants the network {network}, which is not there", "{module} のネットワーク {network} がありません"
    ),
    cause=Words(
        "createOptions name the network {network}, and the engine has none of that name.",
        "createOptions でネットワーク {network} が指定されていますが、エンジンにその名前のものはありません。",
    ),
    remedy=Words(
        "Make the network on the device, or leave it out of createOptions: modules then share a network by themselves.",
        "デバイスでネットワークを作るか、createOptions から省いてください。省けば自動で共通のネットワークにつながります。",
    ),
    commands=("docker network create {network}",),
)

MODULE_BIND_MISSING = Kind(
    code="module-bind-missing",
    title=Words("{module} is to see {path}, which is not there", "{module} に見せる {path} がありません"),
    cause=Words(
        "HostConfig.Mounts of createOptions bind {path} of the device into the module, and there is no such file or folder.",
        "createOptions の HostConfig.Mounts でデバイスの {path} をモジュールに割り当てていますが、存在しません。",
    ),
    remedy=Words(
        "Make it on the device, or correct the path. HostConfig.Binds makes a missing folder by itself.",
        "デバイスに作るか、パスを直してください。HostConfig.Binds なら、ないフォルダーは自動で作られます。",
    ),
    commands=("sudo mkdir -p {path}",),
)

KINDS: tuple[Kind, ...] = (
    ENGINE_UNREACHABLE,
    ENGINE_FORBIDDEN,
    ENGINE_TOO_OLD,
    ENGINE_REFUSED,
    MODULE_NAME_TAKEN,
    MODULE_NETWORK_MISSING,
    MODULE_BIND_MISSING,
)

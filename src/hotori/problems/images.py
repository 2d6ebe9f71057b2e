"""Problems of images and registries."""

from hotori.problems.kind import Kind, Words

IMAGE_REFERENCE_INVALID = Kind(
    code="image-reference-invalid",
    title=Words("`{reference}` does not name an image", "`{reference}` はイメージの名前として正しくありません"),
    cause=Words(
        "An image is named REGISTRY/NAME:TAG or REGISTRY/NAME@sha256:DIGEST, and here {reason}.",
        "イメージは REGISTRY/NAME:TAG または REGISTRY/NAME@sha256:DIGEST の形で書きます。原因: {reason}。",
    ),
    remedy=Words(
        "Write it in that form, the name in lower case, as in 127.0.0.1:5000/camera:1.0.",
        "127.0.0.1:5000/camera:1.0 のように、名前を小文字にしてこの形で書いてください。",
    ),
)

REGISTRY_UNREACHABLE = Kind(
    code="registry-unreachable",
    title=Words("The image registry {address} does not answer", "イメージレジストリ {address} が応答しません"),
    cause=Words(
        "No answer came from {address}: {reason}.",
        "{address} から応答がありません: {reason}。",
    ),
    remedy=Words(
        "Check that the registry runs, that its name and port are right, and that this machine can reach it. "
        "Modules whose images are here already keep running.",
        "レジストリが動いているか、名前とポートが正しいか、この機械から届くかを確認してください。"
        "取得済みのイメージで動くモジュールは動き続けます。",
    ),
    commands=("curl -i http://{address}/v2/",),
    depends_on=("cloud-unreachable",),
)

REGISTRY_UNAUTHORIZED = Kind(
    code="registry-unauthorized",
    title=Words("The image registry {address} refused {user}", "イメージレジストリ {address} が {user} を拒否しました"),
    cause=Words(
        "The registry asks for a user name and a password, and those given were not accepted (status {status}).",
        "レジストリはユーザー名とパスワードを求めていますが、渡したものは受け付けられませんでした（状態 {status}）。",
    ),
    remedy=Words(
        "Put the registry's user name and password into registryCredentials of the manifest (CONTAINER_REGISTRY_USERNAME "
        "and CONTAINER_REGISTRY_PASSWORD in .env), with exactly the address {address}; then deploy again.",
        "マニフェストの registryCredentials に、アドレス {address} とレジストリのユーザー名・パスワードを正しく書き"
        "（.env の CONTAINER_REGISTRY_USERNAME と CONTAINER_REGISTRY_PASSWORD）、もう一度デプロイしてください。",
    ),
    commands=("hotori deploy SOLUTION --device DEVICE",),
)

REGISTRY_REFUSED = Kind(
    code="registry-refused",
    title=Words(
        "The image registry {address} could not do it (status {status})",
        "イメージレジストリ {address} が処理できませんでした（状態 {status}）",
    ),
    cause=Words(
        "The registry answered {status} to: {request}.",
        "次の要求に対して状態 {status} が返りました: {request}。",
    ),
    remedy=Words(
        "Read the registry's own words in the evidence and its log; 429 and 5xx usually pass if you try again later.",
        "証拠に示したレジストリの応答とそのログを確認してください。429 や 5xx は、時間をおくと通ることがあります。",
    ),
)

IMAGE_NOT_FOUND = Kind(
    code="image-not-found",
    title=Words("There is no image {image}", "イメージ {image} はありません"),
    cause=Words(
        "The registry answers, but it does not have the {missing}. Tags that it has under {name}: {tags}.",
        "レジストリは応答しましたが、{missing} がありません。{name} にあるタグ: {tags}。",
    ),
    remedy=Words(
        "Push the image under that name and tag, or correct the name in the manifest.",
        "その名前とタグでイメージを送信するか、マニフェストの名前を直してください。",
    ),
    commands=("hotori deploy SOLUTION --device DEVICE",),
)

IMAGE_DAMAGED = Kind(
    code="image-damaged",
    title=Words("A part of {image} is damaged", "{image} の一部が壊れています"),
    cause=Words(
        "The part {digest} is not what its digest promises: {reason}. It was thrown away, and nothing of it runs.",
        "部品 {digest} の内容がダイジェストと一致しません: {reason}。破棄したので、実行されることはありません。",
    ),
    remedy=Words(
        "Push the image again; if it stays, check the disk of the registry and what stands between it and the device.",
        "イメージを送信し直してください。直らなければ、レジストリのディスクと途中の経路を調べてください。",
    ),
    commands=("hotori deploy SOLUTION --device DEVICE",),
)

IMAGE_WRONG_PLATFORM = Kind(
    code="image-wrong-platform",
    title=Words(
        "{image} is for {found}, and this device is {wanted}", "{image} は {found} 用で、このデバイスは {wanted} です"
    ),
    cause=Words(
        "A program made for one kind of processor cannot run on another; it would end at once with 'exec format error'.",
        "別の種類のプロセッサ用のプログラムは動きません。起動すると「exec format error」ですぐに終了します。",
    ),
    remedy=Words(
        "Build the image for {wanted} (or for both), push it, and deploy again.",
        "{wanted} 用（または両方）にイメージを作り直し、送信してもう一度デプロイしてください。",
    ),
    commands=("hotori deploy SOLUTION --device DEVICE --platform PLATFORM",),
)

IMAGE_WRONG_PYTHON = Kind(
    code="image-wrong-python",
    title=Words(
        "{image} needs Python {wanted}, and this device has {found}",
        "{image} には Python {wanted} が必要ですが、このデバイスは {found} です",
    ),
    cause=Words(
        "The image carries compiled packages for Python {wanted}. Run as a process, a module uses the Python that the "
        "agent itself runs on, which is {found}.",
        "イメージには Python {wanted} 用にコンパイルされたパッケージが入っています。プロセスとして動くモジュールは、"
        "エージェント自身の Python（{found}）を使います。",
    ),
    remedy=Words(
        "Build the image with Python {found}, or run the device's agent with Python {wanted}.",
        "Python {found} でイメージを作り直すか、デバイスのエージェントを Python {wanted} で動かしてください。",
    ),
    commands=("hotori deploy SOLUTION --device DEVICE",),
)

IMAGE_ABSENT = Kind(
    code="image-absent",
    title=Words("The image {image} is not on this device", "イメージ {image} はこのデバイスにありません"),
    cause=Words(
        "The module is to be made from an image that was never fetched, or was removed since.",
        "モジュールの元になるイメージがまだ取得されていないか、取得後に削除されました。",
    ),
    remedy=Words(
        'Set "imagePullPolicy" to "on-create", so that the device fetches it.',
        '"imagePullPolicy" を "on-create" にすると、デバイスがイメージを取得します。',
    ),
)

IMAGE_UNSUPPORTED = Kind(
    code="image-unsupported",
    title=Words("{image} cannot be unpacked here", "{image} はここでは展開できません"),
    cause=Words(
        "The image is well-formed, but it uses something that is not supported: {reason}.",
        "イメージの形式は正しいものの、対応していない機能が使われています: {reason}。",
    ),
    remedy=Words(
        "Build it with gzip-compressed layers, as `hotori deploy` and `docker build` do.",
        "`hotori deploy` や `docker build` のように、gzip 圧縮のレイヤーで作り直してください。",
    ),
    commands=("hotori deploy SOLUTION --device DEVICE",),
)

REQUIREMENTS_REFUSED = Kind(
    code="requirements-refused",
    title=Words("The packages of {lock} could not be brought together", "{lock} のパッケージをそろえられませんでした"),
    cause=Words(
        "Each line of the lock names one exact package with its hash, and pip said for {platform}: {reason}.",
        "ロックファイルの各行は、パッケージとハッシュを一つに定めています。{platform} に対する pip の応答: {reason}。",
    ),
    remedy=Words(
        "If the package index was out of reach, build again. If a hash or a wheel does not fit, write the lock anew with "
        "hashes for every platform that you build for.",
        "パッケージの配布元に届かなかった場合は、もう一度実行してください。ハッシュやホイールが合わない場合は、"
        "対象プラットフォームすべてのハッシュを含むロックファイルを作り直してください。",
    ),
    commands=("uv pip compile requirements.in --universal --generate-hashes --output-file {lock}",),
)

BASE_UNAVAILABLE = Kind(
    code="base-unavailable",
    title=Words("The base layer for {platform} could not be made", "{platform} 用の基本レイヤーを作れませんでした"),
    cause=Words(
        "The layer with Python for container engines is put together from this machine's Debian packages, and "
        "{program} said: {reason}.",
        "コンテナーエンジン用の Python の層は、この機械の Debian パッケージから作ります。{program} の応答: {reason}。",
    ),
    remedy=Words(
        "Build on Debian with a network, or leave the base out: devices that run modules as processes do not need it.",
        "ネットワークにつながった Debian で作るか、基本レイヤーを省いてください。"
        "モジュールをプロセスとして動かすデバイスには不要です。",
    ),
    commands=("sudo apt-get update",),
)

IMAGE_EXCEEDS_DISK = Kind(
    code="image-exceeds-disk",
    title=Words(
        "{image} does not fit on the disk: it needs {needed}, and {free} are free",
        "{image} はディスクに入りません（必要 {needed}、空き {free}）",
    ),
    cause=Words(
        "What of the image is not on the device yet takes {needed} under {path} while it is unpacked. So nothing is "
        "fetched, and what runs now runs on.",
        "デバイスにまだない部分の展開には {path} に {needed} が必要です。そのため取得せず、現在のモジュールを動かし続けます。",
    ),
    remedy=Words(
        "Make room under {path}: {could}. Or make the image smaller. A device tries again by itself.",
        "{path} に空きを作るか（{could}）、イメージを小さくしてください。デバイスは自動で再試行します。",
    ),
    commands=("df -h {path}", "du -xh --max-depth=2 {path} | sort -h | tail"),
)

KINDS = (
    IMAGE_EXCEEDS_DISK,
    IMAGE_REFERENCE_INVALID,
    REGISTRY_UNREACHABLE,
    REGISTRY_UNAUTHORIZED,
    REGISTRY_REFUSED,
    IMAGE_NOT_FOUND,
    IMAGE_DAMAGED,
    IMAGE_WRONG_PLATFORM,
    IMAGE_WRONG_PYTHON,
    IMAGE_ABSENT,
    IMAGE_UNSUPPORTED,
    REQUIREMENTS_REFUSED,
    BASE_UNAVAILABLE,
)

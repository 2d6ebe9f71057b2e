"""Problems of a device's or module's connection to its hub."""

from hotori.problems.kind import Kind, Severity, Words

HUB_SILENT = Kind(
    code="hub-silent",
    title=Words("{address} did not answer in {seconds} s", "{address} が {seconds} 秒以内に応答しませんでした"),
    cause=Words(
        "There is a connection, but the answer to {request} did not come in time: the hub is overloaded, its disk is "
        "slow, or the network loses packets.",
        "接続はありますが、{request}への応答が時間内に届きませんでした。ハブの過負荷、ディスクの遅さ、"
        "ネットワークのパケット損失が考えられます。",
    ),
    remedy=Words(
        "Look at the hub's log and at the load of its machine; then try again.",
        "ハブのログと機械の負荷を確認してから、もう一度試してください。",
    ),
    commands=("ping -c 5 {host}",),
)

TLS_FAILED = Kind(
    code="tls-failed",
    title=Words("No encrypted connection to {address}", "{address} と暗号化通信ができません"),
    cause=Words(
        "Something listens there, but the TLS handshake failed: {reason}. Often it is another service's port, or one "
        "that speaks without encryption.",
        "待ち受けはありますが、TLS の手順が失敗しました: {reason}。別のサービスのポートか、"
        "暗号化しないポートであることが多いです。",
    ),
    remedy=Words(
        "Check that the port is the hub's for MQTT over TLS (8883 as a rule), and that TLS 1.2 or later is allowed.",
        "ポートがハブの MQTT over TLS 用（通常 8883）か、TLS 1.2 以降が許可されているかを確認してください。",
    ),
    commands=("openssl s_client -brief -connect {address}",),
)

CONNECTION_REFUSED_BY_HUB = Kind(
    code="hub-refused-connection",
    title=Words("{address} refused the connection: {reason}", "{address} が接続を拒否しました: {reason}"),
    cause=Words(
        "The hub answered, but does not take this client as it introduces itself (CONNACK {status}).",
        "ハブは応答しましたが、このクライアントの名乗り方を受け付けません（CONNACK {status}）。",
    ),
    remedy=Words(
        "Check that the hub's name in the connection string is the one that this hub serves.",
        "接続文字列のハブ名が、このハブの名前と一致しているか確認してください。",
    ),
)

WORKLOAD_UNREACHABLE = Kind(
    code="workload-unreachable",
    title=Words("The edge runtime does not answer at {uri}", "エッジランタイム {uri} が応答しません"),
    cause=Words(
        "A module asks the runtime on its device for signatures and trusted roots, and could not: {reason}.",
        "モジュールはデバイス上のランタイムに署名と信頼するルート証明書を求めますが、できませんでした: {reason}。",
    ),
    remedy=Words(
        "Check that `hotori edge` runs on the device, and that the module was started by it.",
        "デバイスで `hotori edge` が動いているか、モジュールがそこから起動されたかを確認してください。",
    ),
    commands=("hotori edge run --data DIR",),
)

WORKLOAD_REFUSED = Kind(
    code="workload-refused",
    title=Words(
        "The edge runtime refused {request} (status {status})",
        "エッジランタイムが{request}を拒否しました（状態 {status}）",
    ),
    cause=Words("It says: {reason}.", "応答: {reason}。"),
    remedy=Words(
        "Let the agent start the module again, so that it gets its identity as it is now.",
        "エージェントにモジュールを再起動させ、現在の ID を受け取らせてください。",
    ),
    commands=("hotori invoke DEVICE/$edgeAgent RestartModule",),
)

MODULE_ENVIRONMENT_INCOMPLETE = Kind(
    code="module-environment-incomplete",
    title=Words("This program was not started as a module", "このプログラムはモジュールとして起動されていません"),
    cause=Words(
        "The edge runtime gives every module its identity in environment variables; these are missing: {missing}.",
        "エッジランタイムは環境変数でモジュールに ID を渡します。次の変数がありません: {missing}。",
    ),
    remedy=Words(
        "Deploy it as a module. To run it by hand, set EdgeHubConnectionString to the module's connection string and "
        "EdgeModuleCACertificateFile to the hub's authority file.",
        "モジュールとしてデプロイしてください。手で動かすときは EdgeHubConnectionString に接続文字列、"
        "EdgeModuleCACertificateFile に認証局ファイルを設定してください。",
    ),
    commands=("hotori deploy SOLUTION --device DEVICE",),
)

MESSAGE_TOO_LARGE = Kind(
    code="message-too-large",
    title=Words("A message of {size} bytes is too large", "{size} バイトのメッセージは大きすぎます"),
    cause=Words(
        "A message has at most {limit} bytes, its properties included; it was not sent.",
        "メッセージはプロパティを含めて {limit} バイトまでです。送信していません。",
    ),
    remedy=Words(
        "Make it smaller (a picture: fewer pixels or stronger compression), or upload it as a blob and send its name.",
        "小さくするか（画像なら画素数や品質を下げる）、ブロブとして保存してその名前を送ってください。",
    ),
)

TWIN_REFUSED = Kind(
    code="twin-refused",
    title=Words(
        "The hub refused {request} of {identity} (status {status})",
        "ハブが {identity} の{request}を拒否しました（状態 {status}）",
    ),
    cause=Words("It says: {reason}.", "応答: {reason}。"),
    remedy=Words(
        "Status 400: make the properties smaller or flatter. 429 or 500 and above: the hub is overloaded, try later.",
        "400 ならプロパティを小さく、または浅くしてください。429 や 500 以上ならハブの過負荷なので後で試してください。",
    ),
)

SUBSCRIPTION_REFUSED = Kind(
    code="subscription-refused",
    title=Words("{address} does not deliver {filter}", "{address} は {filter} を配信しません"),
    cause=Words(
        "The hub refused the subscription, so messages of that kind will not arrive.",
        "ハブが購読を拒否したため、その種類のメッセージは届きません。",
    ),
    remedy=Words(
        "Check that the other side is an IoT hub and not another broker, and that this identity may ask for it.",
        "接続先が IoT ハブで別のブローカーではないこと、この ID に権限があることを確認してください。",
    ),
    severity=Severity.WARNING,
)

HANDLER_FAILED = Kind(
    code="handler-failed",
    title=Words("{identity} could not handle {what}", "{identity} が {what} を処理できませんでした"),
    cause=Words(
        "The program's own handler ended with: {reason}. A message stays with the hub and comes again.",
        "プログラムのハンドラーが次のエラーで終わりました: {reason}。メッセージはハブに残り、再び届きます。",
    ),
    remedy=Words(
        "Look at the module's log for the place in its code.",
        "モジュールのログでコードの場所を確認してください。",
    ),
    commands=("hotori logs DEVICE MODULE",),
)

KINDS = (
    HUB_SILENT,
    TLS_FAILED,
    CONNECTION_REFUSED_BY_HUB,
    WORKLOAD_UNREACHABLE,
    WORKLOAD_REFUSED,
    MODULE_ENVIRONMENT_INCOMPLETE,
    MESSAGE_TOO_LARGE,
    TWIN_REFUSED,
    SUBSCRIPTION_REFUSED,
    HANDLER_FAILED,
)

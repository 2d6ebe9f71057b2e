"""Problems of routes, endpoints and the reading of events."""

from hotori.problems.kind import Kind, Words

MESSAGE_UNREADABLE = Kind(
    code="message-unreadable",
    title=Words("{where} is no message", "{where} はメッセージとして読めません"),
    cause=Words("What is there cannot be taken as a message: {reason}.", "メッセージとして解釈できません: {reason}。"),
    remedy=Words(
        'Write a JSON object with body, properties, system, deviceId, moduleId and output, as in {{"moduleId": '
        '"camera", "output": "pictures", "properties": {{"label": "cat"}}, "body": {{"temp": 21}}}}; each may be left out.',
        'body、properties、system、deviceId、moduleId、output を持つ JSON オブジェクトを書いてください（すべて省略可）。例: {{"moduleId": '
        '"camera", "output": "pictures", "properties": {{"label": "cat"}}, "body": {{"temp": 21}}}}',
    ),
    commands=("hotori routes explain --help",),
)

ROUTES_MISSING = Kind(
    code="routes-missing",
    title=Words("{path} has no routes", "{path} にルートがありません"),
    cause=Words("In {path}: {reason}.", "{path}: {reason}。"),
    remedy=Words(
        "Name a deployment manifest, a template, a JSON object with routes, or a text file with one route.",
        "デプロイマニフェスト、テンプレート、routes を持つ JSON、またはルートを一つ書いたテキストファイルを指定してください。",
    ),
    commands=("hotori routes check --help",),
)

FILTER_INVALID = Kind(
    code="filter-invalid",
    title=Words("The filter cannot be understood at column {column}", "フィルターの {column} 文字目を解釈できません"),
    cause=Words("At column {column}: {reason}.", "{column} 文字目: {reason}。"),
    remedy=Words(
        "Write it as the condition of a route, as in level = 'high' or $body.temp > 30.",
        "ルートの条件と同じように書いてください。例: level = 'high'、$body.temp > 30",
    ),
    commands=("hotori monitor --help",),
)

ROUTE_UNKNOWN = Kind(
    code="route-unknown",
    title=Words("There is no route {name} in the cloud", "クラウドにルート {name} はありません"),
    cause=Words("None of the cloud's routes has that name.", "その名前のルートは登録されていません。"),
    remedy=Words("Choose one from the list.", "一覧から選んでください。"),
    commands=("hotori routes list",),
)

ENDPOINT_UNKNOWN = Kind(
    code="endpoint-unknown",
    title=Words("There is no endpoint {name}", "エンドポイント {name} はありません"),
    cause=Words(
        "A route leads to an endpoint that must be made first, and none has that name.",
        "ルートの宛先は先に作成しておく必要がありますが、その名前のエンドポイントはありません。",
    ),
    remedy=Words("Make it, or name one that is there.", "作成するか、存在するものを指定してください。"),
    commands=("hotori endpoint list", "hotori endpoint create {name} --container CONTAINER"),
)

ENDPOINT_INVALID = Kind(
    code="endpoint-invalid",
    title=Words("The endpoint {name} was refused", "エンドポイント {name} は拒否されました"),
    cause=Words("What it is to be cannot be: {reason}.", "設定に誤りがあります: {reason}。"),
    remedy=Words(
        "Mend what the cause names. Nothing was changed.", "原因の箇所を直してください。何も変更されていません。"
    ),
    commands=("hotori endpoint create --help",),
)

ENDPOINT_IN_USE = Kind(
    code="endpoint-in-use",
    title=Words("The endpoint {name} is in use", "エンドポイント {name} は使用中です"),
    cause=Words("These routes lead to it: {routes}.", "次のルートの宛先になっています: {routes}。"),
    remedy=Words("Delete or change those routes first.", "先にそれらのルートを削除または変更してください。"),
    commands=("hotori routes list", "hotori routes delete ROUTE"),
)

ENDPOINT_FAILED = Kind(
    code="endpoint-failed",
    title=Words("The endpoint {name} does not take messages", "エンドポイント {name} がメッセージを受け取りません"),
    cause=Words(
        "{where} did not take the last batch: {reason}. Its messages wait on the disk, in order; other endpoints go on.",
        "{where} が直前のまとまりを受け取りませんでした: {reason}。メッセージは順序どおりディスクで待っています。ほかの宛先には影響ありません。",
    ),
    remedy=Words(
        "Look whether it runs and lets the cloud in. It is tried again by itself, at least once a minute.",
        "動いているか、クラウドからの接続を許しているかを確認してください。少なくとも 1 分ごとに自動で再試行します。",
    ),
    commands=("hotori endpoint list",),
    depends_on=("cloud-unreachable",),
)

EVENT_MISSING = Kind(
    code="event-missing",
    title=Words("There is no event {offset}", "イベント {offset} はありません"),
    cause=Words(
        "The event log goes up to {next}, that one not included.", "イベントログにあるのは {next} の手前までです。"
    ),
    remedy=Words("Name an offset that monitor shows.", "monitor が示すオフセットを指定してください。"),
    commands=("hotori monitor --from earliest --json",),
)

CONSUMER_GROUP_UNKNOWN = Kind(
    code="consumer-group-unknown",
    title=Words("There is no consumer group {name}", "コンシューマーグループ {name} はありません"),
    cause=Words(
        "A group begins to be when it is first read; nobody has read as that one, or it was deleted.",
        "グループは最初に読んだときに作られます。まだ読まれていないか、削除されています。",
    ),
    remedy=Words("Read as that group first.", "まずそのグループとして読んでください。"),
    commands=("hotori monitor --group {name}",),
)

KINDS = (
    MESSAGE_UNREADABLE,
    ROUTES_MISSING,
    FILTER_INVALID,
    ROUTE_UNKNOWN,
    ENDPOINT_UNKNOWN,
    ENDPOINT_INVALID,
    ENDPOINT_IN_USE,
    ENDPOINT_FAILED,
    EVENT_MISSING,
    CONSUMER_GROUP_UNKNOWN,
)

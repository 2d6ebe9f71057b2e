"""Problems of requests to the cloud: to its registry, twins, methods and queries."""

from hotori.problems.kind import Kind, Words

REQUEST_MALFORMED = Kind(
    code="request-malformed",
    title=Words("The request cannot be understood", "リクエストを解釈できません"),
    cause=Words("The cloud looked at it and found: {reason}.", "クラウドが調べた結果: {reason}。"),
    remedy=Words(
        "Mend what the cause names and send it again. Nothing was changed.",
        "原因に示された箇所を直して送り直してください。何も変更されていません。",
    ),
)

RIGHT_MISSING = Kind(
    code="right-missing",
    title=Words("{who} may not do this", "{who} にこの操作の権限がありません"),
    cause=Words("The operation needs the right {right}.", "この操作には権限 {right} が必要です。"),
    remedy=Words(
        "Use the connection string of a policy that has it; iothubowner has all rights.",
        "その権限を持つポリシーの接続文字列を使ってください。iothubowner はすべての権限を持ちます。",
    ),
)

CHANGED_MEANWHILE = Kind(
    code="changed-meanwhile",
    title=Words("{what} was changed by somebody else", "{what} はほかから変更されています"),
    cause=Words(
        "The request was for another version than the one that stands there now, so nothing was changed.",
        "リクエストが前提とした版と現在の版が違うため、何も変更していません。",
    ),
    remedy=Words("Read it again, and repeat the change on that.", "もう一度読み込み、それに対して変更してください。"),
)

MODULE_EXISTS = Kind(
    code="module-exists",
    title=Words("The module {module} exists already on {device}", "{device} にモジュール {module} はすでに存在します"),
    cause=Words(
        "Each module on a device has a name of its own; this one is taken.",
        "モジュール名はデバイスの中で一つしか使えません。この名前は使用済みです。",
    ),
    remedy=Words(
        "Choose another name, or change the one that is there.", "別の名前を選ぶか、既存のものを変更してください。"
    ),
    commands=("hotori twin '{device}/{module}'",),
)

TOO_MANY_MODULES = Kind(
    code="too-many-modules",
    title=Words("{device} has {limit} modules already", "{device} にはすでに {limit} 個のモジュールがあります"),
    cause=Words("A device has at most {limit} modules.", "モジュールは 1 台に {limit} 個までです。"),
    remedy=Words(
        "Remove those that are not needed, or spread them over devices.",
        "不要なものを削除するか、複数のデバイスに分けてください。",
    ),
    commands=("hotori query 'SELECT moduleId FROM devices.modules'",),
)

PARENT_UNKNOWN = Kind(
    code="parent-unknown",
    title=Words("{parent} is no edge device here", "{parent} はこのクラウドのエッジデバイスではありません"),
    cause=Words(
        "A device can stand behind an edge device only; none that is registered now has that name or scope.",
        "親にできるのはエッジデバイスだけです。その名前またはスコープの登録がありません。",
    ),
    remedy=Words("Name an edge device, or add it first.", "エッジデバイスを指定するか、先に追加してください。"),
    commands=("hotori device list", "hotori device add EDGE --edge"),
)

NOT_AN_EDGE_DEVICE = Kind(
    code="not-an-edge-device",
    title=Words("{device} runs no modules", "{device} はモジュールを動かせません"),
    cause=Words(
        "A manifest is for an edge device, and this one was not added as such.",
        "マニフェストはエッジデバイス用ですが、このデバイスはエッジデバイスとして追加されていません。",
    ),
    remedy=Words(
        "Deploy to an edge device, or remove this one and add it again with --edge.",
        "エッジデバイスを指定するか、削除して --edge を付けて追加し直してください。",
    ),
    commands=("hotori device list", "hotori device add {device} --edge"),
)

AUTHENTICATION_UNSUPPORTED = Kind(
    code="authentication-unsupported",
    title=Words("{identity} cannot use authentication by {type}", "{identity} は {type} 認証を使えません"),
    cause=Words(
        "A device or module shows who it is by sas, selfSigned or certificateAuthority, or by none of its own; the "
        "request asked for {type}.",
        "認証の種類は sas、selfSigned、certificateAuthority、none のいずれかですが、リクエストは {type} を指定しています。",
    ),
    remedy=Words(
        'Use the authentication type "sas"; keys that are left out are made.',
        '認証の種類に "sas" を指定してください。キーを省略すると自動で作られます。',
    ),
    commands=("hotori device add NAME",),
)

DEVICE_OFFLINE = Kind(
    code="device-offline",
    title=Words("{identity} does not take method calls now", "{identity} は今メソッドを受け付けていません"),
    cause=Words(
        "A method is a question to a program that is connected and listens for methods, and it is not.",
        "メソッドは、接続中でメソッドを待ち受けているプログラムへの問い合わせですが、その状態ではありません。",
    ),
    remedy=Words(
        "Look whether it is connected and, for a module, whether it runs; or give it time to connect.",
        "接続しているか、モジュールなら動いているかを確認するか、接続を待ってください。",
    ),
    commands=("hotori device list", "hotori twin '{identity}'"),
)

METHOD_UNANSWERED = Kind(
    code="method-unanswered",
    title=Words("{identity} did not answer the method {method}", "{identity} がメソッド {method} に応答しませんでした"),
    cause=Words(
        "It was connected and was asked, and no answer came in {seconds} seconds. It may still be at work on it.",
        "接続中でしたが、{seconds} 秒以内に応答がありませんでした。まだ処理中かもしれません。",
    ),
    remedy=Words(
        "Allow more time, or look at what it writes.",
        "待ち時間を延ばすか、ログを確認してください。",
    ),
    commands=("hotori logs DEVICE MODULE",),
    depends_on=("device-offline",),
)

DEVICE_QUEUE_FULL = Kind(
    code="device-queue-full",
    title=Words(
        "{limit} messages wait for {device} already", "{device} 宛てのメッセージがすでに {limit} 件待っています"
    ),
    cause=Words(
        "A device that does not fetch its messages gets no more than {limit}; this one was not queued.",
        "メッセージを受け取らないデバイスには {limit} 件までしか溜められません。今回の分は受け付けていません。",
    ),
    remedy=Words(
        "Let the device connect and listen for messages, then send again.",
        "デバイスを接続してメッセージを受け取らせてから、送り直してください。",
    ),
    commands=("hotori device show {device}",),
)

QUERY_INVALID = Kind(
    code="query-invalid",
    title=Words("The query cannot be understood at column {column}", "クエリの {column} 文字目を解釈できません"),
    cause=Words("At column {column}: {reason}.", "{column} 文字目: {reason}。"),
    remedy=Words(
        "Write it as SELECT … FROM devices [WHERE condition], or FROM devices.modules.",
        "SELECT … FROM devices [WHERE 条件]、または FROM devices.modules の形で書いてください。",
    ),
)

SERVICE_FAILED = Kind(
    code="service-failed",
    title=Words("{address} could not do it (status {status})", "{address} が処理できませんでした（状態 {status}）"),
    cause=Words(
        "The cloud answered with HTTP status {status} and no reason that could be read.",
        "クラウドが HTTP 状態 {status} を返しましたが、理由を読み取れませんでした。",
    ),
    remedy=Words(
        "Look at the cloud's log. If something stands between here and the cloud, check that it passes requests through.",
        "クラウドのログを確認してください。途中にプロキシなどがある場合は、リクエストを通しているか確認してください。",
    ),
)

LOCK_LOST = Kind(
    code="lock-lost",
    title=Words("The lock on the message is gone", "メッセージのロックは失われています"),
    cause=Words(
        "The message was settled already, or it was held longer than 60 seconds and is ready to be received again.",
        "メッセージはすでに処理済みか、60 秒を超えて保持されたため、ふたたび受信できる状態に戻りました。",
    ),
    remedy=Words(
        "Receive again, and settle each message within 60 seconds of receiving it.",
        "もう一度受信し、受信から 60 秒以内に処理を確定してください。",
    ),
)

UPLOADS_FULL = Kind(
    code="uploads-full",
    title=Words("{device} has too many uploads under way", "{device} のアップロードが多すぎます"),
    cause=Words(
        "{limit} files are being uploaded: each counts until the device says how it ended, or for an hour.",
        "{limit} 個のファイルがアップロード中です。結果が通知されるか 1 時間たつまで数に含まれます。",
    ),
    remedy=Words(
        "Let the device tell the end of every upload, also of one that failed, before it begins another.",
        "失敗した場合も含めてアップロードの結果を通知してから、次のアップロードを始めてください。",
    ),
)

JOB_UNKNOWN = Kind(
    code="job-unknown",
    title=Words("There is no job {job}", "ジョブ {job} はありません"),
    cause=Words(
        "No job has that id. Jobs that ended more than 30 days ago are forgotten.",
        "その ID のジョブはありません。終了から 30 日を過ぎたジョブは消去されます。",
    ),
    remedy=Words("Look at the jobs that there are.", "今あるジョブの一覧を確認してください。"),
    commands=("hotori job list",),
)

JOB_EXISTS = Kind(
    code="job-exists",
    title=Words("The job {job} exists already", "ジョブ {job} はすでに存在します"),
    cause=Words(
        "Each job has an id of its own; this one is taken, and what it asks for is done once.",
        "ジョブの ID は一度しか使えません。この ID のジョブはすでに登録されています。",
    ),
    remedy=Words("Look at the job, or choose another id.", "そのジョブを確認するか、別の ID を選んでください。"),
    commands=("hotori job show {job}",),
)

KINDS = (
    REQUEST_MALFORMED,
    RIGHT_MISSING,
    CHANGED_MEANWHILE,
    MODULE_EXISTS,
    TOO_MANY_MODULES,
    PARENT_UNKNOWN,
    NOT_AN_EDGE_DEVICE,
    AUTHENTICATION_UNSUPPORTED,
    DEVICE_OFFLINE,
    METHOD_UNANSWERED,
    DEVICE_QUEUE_FULL,
    QUERY_INVALID,
    SERVICE_FAILED,
    LOCK_LOST,
    UPLOADS_FULL,
    JOB_UNKNOWN,
    JOB_EXISTS,
)

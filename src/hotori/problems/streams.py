"""Problems of logs that are followed from the cloud, and of shells in modules."""

from hotori.problems.kind import Kind, Severity, Words

STREAMS_FULL = Kind(
    code="streams-full",
    title=Words("{device} serves {most} streams already", "{device} ではすでに {most} 本のストリームが開いています"),
    cause=Words(
        "Logs that are followed and shells count together, and a device has at most {most} at a time, so that its line "
        "stays free for its messages.",
        "追跡中のログとシェルは合わせて数え、メッセージのための回線を空けておくため、同時に {most} 本までです。",
    ),
    remedy=Words(
        "End one that is not needed; one whose reader has gone away ends by itself.",
        "不要なものを終了してください。読み手がいなくなったものは自動的に終わります。",
    ),
)

SHELL_REFUSED = Kind(
    code="shell-refused",
    title=Words("{device} lets nobody open a shell", "{device} ではシェルを開けません"),
    cause=Words(
        "The device was started with --no-shell, or its configuration says `shell = false`.",
        "デバイスが --no-shell で起動されたか、設定ファイルに `shell = false` と書かれています。",
    ),
    remedy=Words(
        "Look at the module's log instead, or allow shells on the device itself and start it again.",
        "代わりにモジュールのログを見るか、デバイス側でシェルを許可して起動し直してください。",
    ),
    commands=("hotori logs {device} {module} --follow",),
)

SHELL_PROGRAM_MISSING = Kind(
    code="shell-program-missing",
    title=Words("{module} has no {program} to run", "{module} に実行できる {program} がありません"),
    cause=Words(
        "The program was looked for in the module and could not be started. Small images often have no shell at all.",
        "モジュールの中でそのプログラムを起動できませんでした。小さなイメージにはシェルが入っていないことがよくあります。",
    ),
    remedy=Words(
        "Name a program that the image has, after two hyphens; or put a shell such as busybox into the image.",
        "イメージにあるプログラムを -- の後に指定するか、busybox などのシェルをイメージに入れてください。",
    ),
    commands=("hotori shell DEVICE {module} -- PROGRAM",),
)

MODULE_NOT_RUNNING = Kind(
    code="module-not-running",
    title=Words("{module} does not run now", "{module} は現在動いていません"),
    cause=Words(
        "A shell is opened in a module that runs, and this one is {state}.",
        "シェルは動いているモジュールで開きますが、このモジュールの状態は {state} です。",
    ),
    remedy=Words(
        "See in its log why it ended, and start it again.",
        "終了した理由をログで確かめ、起動し直してください。",
    ),
    commands=("hotori logs DEVICE {module}",),
)

STREAM_TICKET_REFUSED = Kind(
    code="stream-ticket-refused",
    title=Words("The stream's ticket is not good", "ストリームのチケットが使えません"),
    cause=Words(
        "A ticket opens one stream, once, within {seconds} seconds. This one was used, is too old, or is not of this "
        "cloud.",
        "チケットで開けるストリームは 1 本、1 回、{seconds} 秒以内です。このチケットは使用済みか、期限切れか、"
        "このクラウドのものではありません。",
    ),
    remedy=Words("Ask for the stream again.", "ストリームをもう一度要求してください。"),
)

STREAM_UNSUPPORTED = Kind(
    code="stream-unsupported",
    title=Words("{device} cannot open streams", "{device} はストリームを開けません"),
    cause=Words(
        "Its agent answered the request with status {status}, as one does that is older than this cloud.",
        "エージェントが状態 {status} を返しました。このクラウドより古いエージェントの応答です。",
    ),
    remedy=Words(
        "Bring the device's program up to date; until then fetch its logs without --follow.",
        "デバイスのプログラムを更新してください。それまでは --follow を付けずにログを取得してください。",
    ),
    commands=("hotori logs {device}",),
)

STREAM_IDLE = Kind(
    code="stream-idle",
    title=Words("The stream to {module} was ended: nothing happened", "{module} へのストリームを終了しました: 無操作"),
    cause=Words(
        "Nothing was typed, written or taken for {minutes} minutes, the device's limit.",
        "デバイスの制限である {minutes} 分間、入力も出力も受信もありませんでした。",
    ),
    remedy=Words("Open it again when it is needed.", "必要になったら開き直してください。"),
    severity=Severity.WARNING,
)

STREAM_CUT = Kind(
    code="stream-cut",
    title=Words("The stream to {device} was cut", "{device} へのストリームが切れました"),
    cause=Words(
        "The connection ended before the device said that it was done: its line, a parent's, or the cloud went away. A "
        "program that ran in a shell was ended with it.",
        "デバイスが終わりを告げる前に接続が切れました。デバイスか親の回線、またはクラウドが停止しています。"
        "シェルで動いていたプログラムも終了しました。",
    ),
    remedy=Words(
        "See whether the device is connected, and open the stream again.",
        "デバイスの接続を確かめ、ストリームを開き直してください。",
    ),
    commands=("hotori device show {device}",),
    depends_on=("device-offline",),
)

KINDS: tuple[Kind, ...] = (
    STREAMS_FULL,
    SHELL_REFUSED,
    SHELL_PROGRAM_MISSING,
    MODULE_NOT_RUNNING,
    STREAM_TICKET_REFUSED,
    STREAM_UNSUPPORTED,
    STREAM_IDLE,
    STREAM_CUT,
)

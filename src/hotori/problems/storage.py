"""Problems of disks and files."""

from hotori.problems.kind import Kind, Severity, Words

DISK_FULL = Kind(
    code="disk-full",
    title=Words("The disk under {path} is full", "{path} のディスクがいっぱいです"),
    cause=Words(
        "Writing failed with 'no space left on device'; {free} bytes are free. Nothing half-written was kept.",
        "「デバイスに空き領域がありません」で書き込みに失敗しました。空きは {free} バイトです。書きかけは残していません。",
    ),
    remedy=Words(
        "Free some space, or move the data folder to a larger disk; then start again.",
        "空きを作るか、データフォルダーを大きいディスクへ移してから、もう一度始めてください。",
    ),
    commands=("df -h {path}", "du -xh --max-depth=2 {path} | sort -h | tail"),
)

FILE_UNREADABLE = Kind(
    code="file-unreadable",
    title=Words("{path} cannot be read", "{path} を読めません"),
    cause=Words("The system says: {reason}.", "システムの応答: {reason}。"),
    remedy=Words("Check the path and its rights.", "パスと権限を確認してください。"),
    commands=("ls -l {path}",),
)

DATA_FOLDER_IN_USE = Kind(
    code="data-folder-in-use",
    title=Words("The data folder {path} is in use", "データフォルダー {path} は使用中です"),
    cause=Words(
        "Another process ({owner}) holds its lock; two programs on one folder would damage it.",
        "別のプロセス（{owner}）がロックしています。一つのフォルダーを二つのプログラムが使うと壊れます。",
    ),
    remedy=Words(
        "End the other one, or choose another folder.",
        "もう一方を終了するか、別のフォルダーを選んでください。",
    ),
)

FOLDER_FOREIGN = Kind(
    code="folder-foreign",
    title=Words("{path} holds other things", "{path} には別のものが入っています"),
    cause=Words(
        "This command makes its folder anew each time, and this one was not made by it. Nothing was removed.",
        "このコマンドは毎回フォルダーを作り直しますが、これは自分で作ったものではありません。何も削除していません。",
    ),
    remedy=Words("Name another folder, or an empty one.", "別のフォルダーか、空のフォルダーを指定してください。"),
    commands=("ls -la {path}",),
)

DISK_FAILED = Kind(
    code="disk-failed",
    title=Words("The disk under {path} refused to write", "{path} のディスクに書き込めませんでした"),
    cause=Words(
        "The system says: {reason}. What was being written was not kept; what was confirmed before is safe.",
        "システムの応答: {reason}。書き込み中だったものは残していません。それ以前に確認済みのものは無事です。",
    ),
    remedy=Words(
        "Look for disk errors in the kernel's log and for limits on file sizes; move the data folder to a sound disk.",
        "カーネルログのディスクエラーとファイルサイズの制限を調べ、データフォルダーを正常なディスクへ移してください。",
    ),
    commands=("dmesg --level=err | tail", "ulimit -f", "df -h {path}"),
)

LOG_DAMAGED = Kind(
    code="log-damaged",
    title=Words("{count} stored messages cannot be read", "保存済みメッセージ {count} 件を読み取れません"),
    cause=Words(
        "The entries {first} to {last} in {path} do not match their checksums: the file was changed or the disk is "
        "failing. They are skipped and counted as lost; everything before and after them goes on.",
        "{path} のエントリ {first}～{last} がチェックサムと一致しません。ファイルが変更されたか、"
        "ディスクが故障しかけています。その部分だけ飛ばして損失として数え、前後は続行しています。",
    ),
    remedy=Words(
        "The damaged file is kept beside the log as *.damaged: save it if its messages matter, else remove it. Check "
        "the disk; replace a worn SD card.",
        "壊れたファイルはログの隣に *.damaged として残してあります。必要なら保存し、不要なら削除してください。"
        "ディスクを検査し、劣化した SD カードは交換してください。",
    ),
    commands=("dmesg --level=err | tail", "ls -l {folder}"),
)

LOG_OVERWRITTEN = Kind(
    code="log-overwritten",
    title=Words("The beginning of {path} is not what was written", "{path} の先頭が書き込んだ内容と異なります"),
    cause=Words(
        "Something else wrote into the file, or the disk is failing. The messages that are whole in it go on; how many "
        "are missing stands in the accounts of the routes, as lost.",
        "別のプログラムが書き込んだか、ディスクが故障しかけています。無事なメッセージはそのまま続行します。"
        "失われた件数は、ルートごとの集計の損失数に含まれます。",
    ),
    remedy=Words(
        "The file is kept beside the log as *.damaged: save it if its messages matter, else remove it. Check the disk.",
        "ファイルはログの隣に *.damaged として残してあります。必要なら保存し、不要なら削除してください。"
        "ディスクも検査してください。",
    ),
    commands=("dmesg --level=err | tail", "ls -l {folder}"),
)

LOG_TORN = Kind(
    code="log-torn",
    title=Words("{size} bytes of an unfinished write were cut", "書きかけの {size} バイトを切り捨てました"),
    cause=Words(
        "The program or the machine stopped while {path} was being written. What was cut had not been confirmed to "
        "any sender, who sends it again; the entries {first} to {last} are whole.",
        "{path} への書き込み中にプログラムか機器が停止しました。切り捨てた部分はどの送信元にも確認応答しておらず、"
        "再送されます。エントリ {first}～{last} は無事です。",
    ),
    remedy=Words(
        "Nothing has to be done. If it happens often, see that the device is shut down before its power is cut.",
        "対処は不要です。頻繁に起きる場合は、電源を切る前に機器をシャットダウンしてください。",
    ),
    severity=Severity.WARNING,
)

RECORDS_DAMAGED = Kind(
    code="records-damaged",
    title=Words("The database {path} is damaged", "データベース {path} が壊れています"),
    cause=Words(
        "It is not a database, or pages of it have been overwritten; nothing was changed.",
        "データベースではないか、一部が上書きされています。変更は加えていません。",
    ),
    remedy=Words(
        "Put a copy of it back, or save what can be read into a new file and use that instead.",
        "バックアップを戻すか、読み取れる内容を新しいファイルに書き出して置き換えてください。",
    ),
    commands=("sqlite3 {path} .recover | sqlite3 {path}.recovered",),
)

QUEUES_FILLING = Kind(
    code="queues-filling",
    title=Words(
        "The queues are {percent} % full, and wholly in {left}", "キューの使用率は {percent} %、約{left}で満杯です"
    ),
    cause=Words(
        "More messages come than are taken: at the rate of the last minutes, {left} remain until the limit of {capacity} "
        "bytes (their own, or that of the disk). Whoever should take them has been away or slow.",
        "受け取りより多くのメッセージが届いています。直近の増加率では、上限 {capacity} バイト（設定またはディスク）まで"
        "約{left}です。受け取り側が切断されているか、遅れています。",
    ),
    remedy=Words(
        "See which route has most pending and bring its receiver back; else shorten the time to live, raise the limit "
        "(storeLimits.maxSizeBytes), or let a route's oldest messages go (whenFull: dropOldest).",
        "待機の多いルートを確かめ、受け取り側を復旧してください。できない場合は有効期間を短くするか、上限"
        "（storeLimits.maxSizeBytes）を上げるか、古いものから破棄する設定（whenFull: dropOldest）にしてください。",
    ),
    severity=Severity.WARNING,
)

QUEUES_BLOCKED = Kind(
    code="queues-blocked",
    title=Words(
        "The queues are full: {count} messages wait at their senders", "キューが満杯で、{count} 件が送信元で待機中です"
    ),
    cause=Words(
        "The limit of {capacity} bytes, or the disk's end, is reached, and no route lets messages go. New ones are not "
        "acknowledged until there is room; nothing that was acknowledged is lost.",
        "上限 {capacity} バイトまたはディスクの終わりに達し、破棄してよいルートがありません。空きができるまで新しい"
        "メッセージには確認応答しません。確認応答済みのものは失われていません。",
    ),
    remedy=Words(
        "Bring the receiver with most pending back, or give more room: on the disk, or with storeLimits.maxSizeBytes. "
        "Where the newest matter most, set whenFull of a route to dropOldest.",
        "待機の最も多い受け取り側を復旧するか、ディスクまたは storeLimits.maxSizeBytes で容量を増やしてください。"
        "新しいものほど重要なルートでは whenFull を dropOldest にしてください。",
    ),
)

QUEUES_FULL = Kind(
    code="queues-full",
    title=Words("{dropped} waiting messages were dropped", "待機中のメッセージ {dropped} 件を破棄しました"),
    cause=Words(
        "The queues reached their limit of {capacity} bytes on disk, so the oldest messages of the routes that allow it "
        "went, the lowest priority first. Whoever should take them has been away or slow for long.",
        "キューがディスク上の上限 {capacity} バイトに達したため、破棄を許したルートの古いものから、優先度の低い順に"
        "破棄しました。受け取り側が長く切断されているか、遅れています。",
    ),
    remedy=Words(
        "See which endpoint has most pending, bring its receiver back, shorten the messages' time to live, or raise "
        "storeLimits.maxSizeBytes.",
        "待機の多い宛先を確かめ、受け取り側を復旧させるか、メッセージの有効期間を短くするか、"
        "storeLimits.maxSizeBytes を上げてください。",
    ),
)

UPLOAD_REFUSED = Kind(
    code="upload-refused",
    title=Words("The object store {address} takes no pictures", "オブジェクトストア {address} が画像を受け付けません"),
    cause=Words(
        "It answered with status {status}: {reason}. Pictures wait on the device, as far as its disk goes.",
        "状態 {status} で応答しました: {reason}。画像はデバイスのディスクが許す限り保持されます。",
    ),
    remedy=Words(
        "Give the uploader the connection string that the cloud has now; compare the clocks if it speaks of time.",
        "クラウドの現在の接続文字列をアップローダーに設定してください。時刻に関する応答なら時計を比べてください。",
    ),
    commands=("hotori deploy examples/main-job --device DEVICE", "date -u"),
)

LENT_CONTAINER_REFUSED = Kind(
    code="lent-container-refused",
    title=Words("{blob} could not be stored", "{blob} を保存できませんでした"),
    cause=Words(
        "The object store answered {code}: the address or the token that came with the request does not allow it, or "
        "the token's time is over.",
        "オブジェクトストアの応答は {code} です。リクエストに含まれるアドレスまたはトークンに書き込みの権限がないか、"
        "トークンの期限が切れています。",
    ),
    remedy=Words(
        "Ask again with the address of a container and a token that may create and write blobs in it for an hour.",
        "コンテナーのアドレスと、1 時間以上有効で作成と書き込みの権限を持つトークンで、もう一度依頼してください。",
    ),
)

KINDS = (
    LENT_CONTAINER_REFUSED,
    DISK_FULL,
    FILE_UNREADABLE,
    DATA_FOLDER_IN_USE,
    FOLDER_FOREIGN,
    DISK_FAILED,
    LOG_DAMAGED,
    LOG_OVERWRITTEN,
    LOG_TORN,
    RECORDS_DAMAGED,
    QUEUES_FILLING,
    QUEUES_BLOCKED,
    QUEUES_FULL,
    UPLOAD_REFUSED,
)

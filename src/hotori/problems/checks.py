"""Problems that `hotori edge check` finds before they hurt."""

from hotori.problems.kind import Kind, Severity, Words

DISK_SHORT = Kind(
    code="disk-short",
    title=Words("The disk of {path} has only {free} left", "{path} のディスクの空きは {free} だけです"),
    cause=Words(
        "Images, messages that wait and logs share this disk; when it is full, senders are held back.",
        "イメージ、送信待ちのメッセージ、ログがこのディスクを使います。満杯になると送信側は待たされます。",
    ),
    remedy=Words(
        "Make room, or move the data folder to a larger disk.",
        "空きを作るか、データフォルダーをより大きいディスクへ移してください。",
    ),
    commands=("du -xh --max-depth=1 {path}",),
    severity=Severity.WARNING,
)

AUTHORITY_ENDING = Kind(
    code="authority-ending",
    title=Words("The device's own authority ends on {end}", "デバイスの認証局の期限は {end} です"),
    cause=Words(
        "Modules and devices behind this one trust its certificates through this authority.",
        "モジュールと配下のデバイスは、この認証局を通してデバイスの証明書を信頼します。",
    ),
    remedy=Words(
        "Stop the device, move the folder authority away and start it: a new one is made. Give its certificate to the "
        "devices behind this one; modules get it by themselves.",
        "デバイスを止め、authority フォルダーを別の場所へ移して起動すると新しい認証局が作られます。配下のデバイスには"
        "その証明書を渡してください。モジュールは自動で受け取ります。",
    ),
    severity=Severity.WARNING,
)

CLOCK_OFF = Kind(
    code="clock-off",
    title=Words("The clock is {seconds} s away from the cloud's", "時計がクラウドと {seconds} 秒ずれています"),
    cause=Words(
        "Tokens and certificates are valid for a time, and this machine's clock says another: connections will be refused.",
        "トークンと証明書には有効期間があります。この機器の時計がずれているため、接続は拒否されます。",
    ),
    remedy=Words(
        "Let the clock be set over the network, and look whether the machine has a battery for it.",
        "ネットワークで時刻を合わせてください。時計用の電池も確認してください。",
    ),
    commands=("timedatectl set-ntp true", "date -u"),
)

DEPLOYMENT_NOT_APPLIED = Kind(
    code="deployment-not-applied",
    title=Words(
        "The last deployment is not in force: status {code}", "最後のデプロイが適用されていません（状態 {code}）"
    ),
    cause=Words("The device says: {description}.", "デバイスの説明: {description}。"),
    remedy=Words(
        "Mend what it names and deploy again; what ran before runs on.",
        "示された箇所を直して再度デプロイしてください。以前の内容は動き続けています。",
    ),
    commands=("hotori edge list",),
)

CONFIGURATION_INVALID = Kind(
    code="configuration-invalid",
    title=Words("The configuration {path} cannot be used", "設定 {path} は使えません"),
    cause=Words("What was found there: {reason}.", "見つかった内容: {reason}。"),
    remedy=Words(
        "Mend that place; what `hotori edge install` writes explains every setting.",
        "その箇所を直してください。`hotori edge install` が書くファイルに各設定の説明があります。",
    ),
    commands=("hotori edge config check --config {path}",),
)

KINDS = (CONFIGURATION_INVALID, DISK_SHORT, AUTHORITY_ENDING, CLOCK_OFF, DEPLOYMENT_NOT_APPLIED)

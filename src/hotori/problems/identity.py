"""Problems of names, keys and tokens."""

from hotori.problems.kind import Kind, Words

CONNECTION_STRING_MALFORMED = Kind(
    code="connection-string-malformed",
    title=Words("The connection string cannot be read", "接続文字列を読み取れません"),
    cause=Words(
        "A connection string is `Name=value` pairs joined by `;`. {detail}.",
        "接続文字列は `名前=値` を `;` でつないだものです。{detail}。",
    ),
    remedy=Words(
        "Copy the whole line again, in quotation marks, from the command that shows it.",
        "次のコマンドの出力を 1 行まるごと、引用符で囲んでコピーし直してください。",
    ),
    commands=("hotori device show DEVICE --connection-string",),
)

KEY_MALFORMED = Kind(
    code="key-malformed",
    title=Words("The key is not valid base64", "キーが正しい base64 ではありません"),
    cause=Words(
        "A shared access key is base64 text; a character was lost or added.",
        "共有アクセスキーは base64 の文字列です。文字が欠けているか、余分な文字があります。",
    ),
    remedy=Words(
        "Copy the key again from the command that shows it.",
        "次のコマンドで表示されるキーをコピーし直してください。",
    ),
    commands=("hotori device show DEVICE --connection-string",),
)

NAME_INVALID = Kind(
    code="name-invalid",
    title=Words("`{name}` cannot be the name of a device or module", "`{name}` はデバイス名・モジュール名に使えません"),
    cause=Words(
        "A name has 1 to 128 letters, digits or any of - : . % _ * ? ! ( ) , = @ ; $ ' and no space or slash.",
        "名前は 1～128 文字で、英数字と - : . % _ * ? ! ( ) , = @ ; $ ' だけが使えます。空白とスラッシュは使えません。",
    ),
    remedy=Words("Choose another name, such as edge-1.", "edge-1 のような別の名前を選んでください。"),
)

DEVICE_EXISTS = Kind(
    code="device-exists",
    title=Words("The device {device} exists already", "デバイス {device} はすでに存在します"),
    cause=Words(
        "Each device in a cloud has a name of its own; this one is taken.",
        "デバイス名はクラウドの中で一つしか使えません。この名前は使用済みです。",
    ),
    remedy=Words(
        "Choose another name, or look at the device that has it, or remove that one first.",
        "別の名前を選ぶか、既存のデバイスを確認し、不要なら先に削除してください。",
    ),
    commands=("hotori device show {device}", "hotori device remove {device}"),
)

DEVICE_UNKNOWN = Kind(
    code="device-unknown",
    title=Words("There is no device {device}", "デバイス {device} はありません"),
    cause=Words(
        "The cloud's registry has no device of that name; names are case-sensitive.",
        "クラウドの登録簿にその名前のデバイスがありません。大文字と小文字は区別されます。",
    ),
    remedy=Words("See which devices there are, or add it.", "デバイスの一覧を確認するか、追加してください。"),
    commands=("hotori device list", "hotori device add {device}"),
)

TOKEN_EXPIRED = Kind(
    code="token-expired",
    title=Words("The access token of {identity} has expired", "{identity} のアクセストークンは期限切れです"),
    cause=Words(
        "The token ended at {expiry}, and it is {now} here. Either it is old, or one of the two clocks is wrong.",
        "トークンの期限は {expiry} で、こちらの時刻は {now} です。トークンが古いか、どちらかの時計がずれています。",
    ),
    remedy=Words(
        "Compare the clocks of both machines; then connect again, so that a fresh token is made.",
        "両方の機械の時計を確かめてから、接続し直して新しいトークンを作ってください。",
    ),
    commands=("date -u",),
)

TOKEN_REFUSED = Kind(
    code="token-refused",
    title=Words("{identity} was refused: {reason}", "{identity} は拒否されました: {reason}"),
    cause=Words(
        "The other side checked the access token and found: {reason}.",
        "接続先がアクセストークンを調べた結果は次のとおりです: {reason}。",
    ),
    remedy=Words(
        "Use the connection string that the registry shows for this identity now; keys change when a device is "
        "removed and added again.",
        "登録簿が現在示している接続文字列を使ってください。デバイスを削除して追加し直すとキーは変わります。",
    ),
    commands=("hotori device show DEVICE --connection-string",),
)

KINDS = (
    CONNECTION_STRING_MALFORMED,
    KEY_MALFORMED,
    NAME_INVALID,
    DEVICE_EXISTS,
    DEVICE_UNKNOWN,
    TOKEN_EXPIRED,
    TOKEN_REFUSED,
)

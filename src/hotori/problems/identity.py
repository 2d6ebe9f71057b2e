"""Problems of names, keys and tokens."""

from hotori.problems import certificates, provisioning
from hotori.problems.kind import Kind, Severity, Words

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

USER_NAME_MALFORMED = Kind(
    code="user-name-malformed",
    title=Words("An MQTT client's user name cannot be read", "MQTT クライアントのユーザー名を読み取れません"),
    cause=Words(
        "The user name is HUB/DEVICE[/MODULE]/?api-version=VERSION, and here {reason}.",
        "ユーザー名は HUB/DEVICE[/MODULE]/?api-version=VERSION の形です。原因: {reason}。",
    ),
    remedy=Words(
        "Write the user name in that form; the api-version may be 2021-04-12.",
        "ユーザー名をその形で書いてください。api-version には 2021-04-12 などを指定します。",
    ),
)

PROTOCOL_UNSUPPORTED = Kind(
    code="protocol-unsupported",
    title=Words("An MQTT client speaks another version", "MQTT クライアントのバージョンが違います"),
    cause=Words(
        "It offered protocol level {level}; this hub speaks MQTT 3.1.1 (level 4) and 5 (level 5).",
        "クライアントはプロトコルレベル {level} を求めましたが、このハブが話すのは MQTT 3.1.1（レベル 4）と 5（レベル 5）です。",
    ),
    remedy=Words(
        "Tell the client to use MQTT 3.1.1 or 5, for mosquitto with `-V mqttv311`.",
        "クライアントを MQTT 3.1.1 か 5 に設定してください。mosquitto では `-V mqttv311` です。",
    ),
)

CLIENT_ID_MISMATCH = Kind(
    code="client-id-mismatch",
    title=Words(
        "The client id {client_id} is not {identity}", "クライアント ID {client_id} が {identity} と一致しません"
    ),
    cause=Words(
        "An MQTT client id must be the identity that the user name speaks of.",
        "MQTT のクライアント ID は、ユーザー名が示すデバイスまたはモジュールと同じでなければなりません。",
    ),
    remedy=Words(
        "Connect with the client id {identity}.", "クライアント ID に {identity} を指定して接続してください。"
    ),
)

HUB_NAME_FOREIGN = Kind(
    code="hub-name-foreign",
    title=Words("{identity} asked for another hub: {hub}", "{identity} は別のハブ {hub} に接続しようとしました"),
    cause=Words(
        "This hub answers to {names}. The user name and the token name the hub, even through a gateway.",
        "このハブの名前は {names} です。ゲートウェイ経由でも、ユーザー名とトークンにはハブの名前を書きます。",
    ),
    remedy=Words(
        "Use the connection string of this hub's registry; its HostName is the hub's name.",
        "このハブの登録簿が示す接続文字列を使ってください。HostName がハブの名前です。",
    ),
    commands=("hotori device show DEVICE --connection-string",),
)

IDENTITY_UNKNOWN = Kind(
    code="identity-unknown",
    title=Words("{identity} tried to connect and is not registered", "未登録の {identity} が接続しようとしました"),
    cause=Words(
        "This hub knows no device or module of that name; names are case-sensitive. An edge device knows its own "
        "modules and the devices that have it as their parent.",
        "このハブにはその名前のデバイス・モジュールがありません。大文字と小文字は区別されます。"
        "エッジデバイスが知っているのは、自分のモジュールと、自分を親とするデバイスだけです。",
    ),
    remedy=Words(
        "Add the device, or mend the name in its connection string.",
        "デバイスを追加するか、接続文字列の名前を直してください。",
    ),
    commands=("hotori device list",),
)

IDENTITY_DISABLED = Kind(
    code="identity-disabled",
    title=Words("{identity} tried to connect and is disabled", "無効化された {identity} が接続しようとしました"),
    cause=Words(
        "The registry says that this identity, or the device it is on, may not connect.",
        "登録簿で、この名前またはその親デバイスの接続が無効になっています。",
    ),
    remedy=Words("Enable it if it should work.", "使う場合は有効にしてください。"),
    commands=("hotori device show '{identity}'",),
)

TOKEN_MISSING = Kind(
    code="token-missing",
    title=Words("{identity} came without an access token", "{identity} のアクセストークンがありません"),
    cause=Words(
        "The MQTT password is no `SharedAccessSignature sr=…&sig=…&se=…`.",
        "MQTT のパスワードが `SharedAccessSignature sr=…&sig=…&se=…` の形ではありません。",
    ),
    remedy=Words(
        "Give a token as the password, made from the key in the connection string.",
        "接続文字列のキーから作ったトークンをパスワードに指定してください。",
    ),
    commands=("hotori device show '{identity}' --connection-string",),
)

TOKEN_FOREIGN = Kind(
    code="token-foreign",
    title=Words("The token of {identity} is for something else", "{identity} のトークンは別の対象のものです"),
    cause=Words(
        "The token is made out to {resource}; here it would have to be {expected}.",
        "トークンの対象は {resource} ですが、ここでは {expected} でなければなりません。",
    ),
    remedy=Words("Make the token for {expected}.", "{expected} を対象にしてトークンを作ってください。"),
)

SIGNATURE_WRONG = Kind(
    code="signature-wrong",
    title=Words("The token of {identity} has a wrong signature", "{identity} のトークンの署名が違います"),
    cause=Words(
        "Neither of the two keys in the registry made it. Keys change when a device is removed and added again.",
        "登録簿の二つのキーのどちらとも一致しません。デバイスを削除して追加し直すとキーは変わります。",
    ),
    remedy=Words(
        "Use the connection string that the registry shows now.",
        "登録簿が現在示している接続文字列を使ってください。",
    ),
    commands=("hotori device show '{identity}' --connection-string",),
)

WILL_REFUSED = Kind(
    code="will-refused",
    title=Words("The last will of {identity} cannot be published", "{identity} の遺言メッセージは発行できません"),
    cause=Words(
        "A will goes to the client's own telemetry topic at QoS 0 or 1; this one names {topic}.",
        "遺言は自分のテレメトリトピックへ QoS 0 または 1 で送るものです。指定されたのは {topic} です。",
    ),
    remedy=Words("Use {expected}, or no will.", "{expected} を使うか、遺言を指定しないでください。"),
)

HUB_NOT_READY = Kind(
    code="hub-not-ready",
    title=Words("{identity} came before the hub could check it", "{identity} を確認する準備がまだできていません"),
    cause=Words(
        "The hub does not have its list of devices yet: {reason}. The client was told to come back.",
        "ハブがデバイスの一覧をまだ受け取っていません: {reason}。クライアントには再接続を求めました。",
    ),
    remedy=Words(
        "Wait some seconds. If it stays so, check that the edge device reaches its cloud.",
        "数秒待ってください。続く場合は、エッジデバイスがクラウドに接続できるか確認してください。",
    ),
    severity=Severity.WARNING,
)

ENROLMENT_MISSING = Kind(
    code="enrolment-missing",
    title=Words("The device in {path} is not enrolled", "{path} のデバイスはまだ登録されていません"),
    cause=Words(
        "On its first start a device must be told who it is and where its cloud is; nothing in {path} says so.",
        "最初の起動では、デバイスの名前とクラウドの場所を指定する必要があります。{path} にはその情報がありません。",
    ),
    remedy=Words(
        "Add the device to the cloud, writing its enrolment file, and start it with that file.",
        "クラウドにデバイスを追加して登録ファイルを書き出し、そのファイルを指定して起動してください。",
    ),
    commands=(
        "hotori device add DEVICE --edge --write DEVICE.json",
        "hotori edge run --data {path} --enrolment DEVICE.json",
    ),
)

DEVICE_DIFFERS = Kind(
    code="device-differs",
    title=Words("The folder {path} belongs to {kept}, not to {given}", "{path} は {given} ではなく {kept} のものです"),
    cause=Words(
        "The folder holds messages, twins and modules of {kept}; another device on it would send them as its own.",
        "フォルダーには {kept} のメッセージ、ツイン、モジュールがあり、別のデバイスが使うと自分のものとして送信してしまいます。",
    ),
    remedy=Words(
        "Give {given} a folder of its own, or remove this one if {kept} is no longer needed.",
        "{given} に別のフォルダーを指定するか、{kept} が不要ならこのフォルダーを削除してください。",
    ),
)

KINDS = (
    CONNECTION_STRING_MALFORMED,
    KEY_MALFORMED,
    NAME_INVALID,
    DEVICE_EXISTS,
    DEVICE_UNKNOWN,
    TOKEN_EXPIRED,
    TOKEN_REFUSED,
    USER_NAME_MALFORMED,
    PROTOCOL_UNSUPPORTED,
    CLIENT_ID_MISMATCH,
    HUB_NAME_FOREIGN,
    IDENTITY_UNKNOWN,
    IDENTITY_DISABLED,
    TOKEN_MISSING,
    TOKEN_FOREIGN,
    SIGNATURE_WRONG,
    WILL_REFUSED,
    HUB_NOT_READY,
    ENROLMENT_MISSING,
    DEVICE_DIFFERS,
    *certificates.KINDS,
    *provisioning.KINDS,
)

"""Problems of clients that share an identity, that say too much, and that speak plain MQTT."""

from hotori.problems.kind import Kind, Severity, Words

IDENTITY_SHARED = Kind(
    code="identity-shared",
    title=Words(
        "Two clients take {identity} from each other: {first} and {second}",
        "二つのクライアントが {identity} を奪い合っています: {first} と {second}",
    ),
    cause=Words(
        "An identity has one connection, and the newer one wins. Both come back again and again, so neither works. "
        "The same credentials are in two places: a copied SD card, or a program that still runs elsewhere.",
        "一つの ID の接続は一つだけで、新しい接続が優先されます。双方が再接続を繰り返すため、どちらも動きません。"
        "同じ資格情報が二か所にあります（SD カードの複製や、別の場所で動き続けているプログラムなど）。",
    ),
    remedy=Words(
        "Stop one of the two, and give it an identity of its own.",
        "どちらかを止めて、専用の ID を割り当ててください。",
    ),
    commands=("hotori device add NEW-NAME",),
    severity=Severity.ERROR,
)

KEY_IN_THE_CLEAR = Kind(
    code="key-in-the-clear",
    title=Words("{identity} sent its key without TLS", "{identity} が TLS なしでキーを送りました"),
    cause=Words(
        "A key as password is taken over TLS only. Whoever listened on the way has it now.",
        "キーをパスワードとして使えるのは TLS 接続だけです。途中の経路で読み取られた可能性があります。",
    ),
    remedy=Words(
        "Connect with TLS, and replace the key by removing the device and adding it again.",
        "TLS で接続し、デバイスを削除して追加し直すことでキーを交換してください。",
    ),
    commands=("hotori device remove '{identity}'", "hotori device add '{identity}'"),
)

KEY_WRONG = Kind(
    code="key-wrong",
    title=Words("The password of {identity} is not its key", "{identity} のパスワードはキーと一致しません"),
    cause=Words(
        "A plain MQTT client shows one of its two keys, or a token made with one. This is neither.",
        "プレーン MQTT クライアントのパスワードは、二つのキーのどちらか、またはそれで作ったトークンです。"
        "送られた値はどちらでもありません。",
    ),
    remedy=Words(
        "Take SharedAccessKey from the connection string that the registry shows now.",
        "登録簿が現在示している接続文字列の SharedAccessKey を使ってください。",
    ),
    commands=("hotori device show '{identity}' --connection-string",),
)

CLIENT_TOO_FAST = Kind(
    code="client-too-fast",
    title=Words(
        "{identity} says more than it may, and is slowed down", "{identity} の送信が上限を超え、減速されています"
    ),
    cause=Words(
        "Each identity may say {messages} messages and {bytes} bytes a second. The hub does not read from this one until "
        "it keeps to that. Nothing is lost; its messages wait where they are sent from. Over HTTPS it is answered 429, and "
        "so are requests for its twin.",
        "一つの ID が送れるのは毎秒 {messages} メッセージ、{bytes} バイトまでです。上限に収まるまで、ハブはこのクライアントから"
        "読み取りません。失われるものはなく、メッセージは送信元で待ちます。HTTPS とツインの要求には 429 を返します。",
    ),
    remedy=Words(
        "Let the program send less often, or raise the rates: clientRates of $edgeHub on an edge device, "
        "--client-messages and --client-bytes of the cloud.",
        "プログラムの送信頻度を下げるか、上限を上げてください（エッジでは $edgeHub の clientRates、クラウドでは "
        "--client-messages と --client-bytes）。",
    ),
    severity=Severity.WARNING,
)

KINDS = (IDENTITY_SHARED, KEY_IN_THE_CLEAR, KEY_WRONG, CLIENT_TOO_FAST)

"""Problems of the certificates that devices show."""

from hotori.problems.kind import Kind, Severity, Words

THUMBPRINT_MALFORMED = Kind(
    code="thumbprint-malformed",
    title=Words("`{given}` is no thumbprint", "`{given}` は拇印ではありません"),
    cause=Words(
        "A thumbprint is the SHA-1 or SHA-256 hash of a certificate: 40 or 64 hexadecimal digits.",
        "拇印は証明書の SHA-1 または SHA-256 ハッシュで、16 進数 40 桁か 64 桁です。",
    ),
    remedy=Words(
        "Read it from the certificate, or let the command read the certificate for you.",
        "証明書から読み取るか、コマンドに証明書を渡してください。",
    ),
    commands=("openssl x509 -in CERTIFICATE -noout -fingerprint -sha256",),
)

CREDENTIALS_DIFFER = Kind(
    code="credentials-differ",
    title=Words(
        "{identity} came with {shown} and is registered for {registered}",
        "{identity} は {registered} で登録されていますが、{shown} で接続しようとしました",
    ),
    cause=Words(
        "The registry says how each identity shows who it is: by tokens of its keys, by the thumbprint of a "
        "certificate, or by a certificate that a registered authority issued.",
        "本人確認の方法は登録簿で決まっています: キーのトークン、証明書の拇印、登録済み認証局が発行した証明書のいずれかです。",
    ),
    remedy=Words(
        "Let the client use {registered}, or register the identity for what it has.",
        "クライアントで {registered} を使うか、登録を変更してください。",
    ),
    commands=("hotori device show '{identity}'",),
)

CERTIFICATE_REFUSED = Kind(
    code="certificate-refused",
    title=Words("The certificate of {identity} was refused: {reason}", "{identity} の証明書は拒否されました: {reason}"),
    cause=Words(
        "The client holds the certificate's key; the certificate was looked at and found wrong: {reason}.",
        "証明書の鍵は確認できましたが、証明書に次の問題がありました: {reason}。",
    ),
    remedy=Words(
        "A certificate known by its thumbprint must be one of the two registered; one of an authority must carry the "
        "device's name as its common name, and its authority must be registered.",
        "拇印で登録した場合は登録済みの証明書を使ってください。認証局の証明書の場合は、コモンネームをデバイス名と同じにし、"
        "認証局を登録してください。",
    ),
    commands=("hotori device show '{identity}'", "hotori ca list"),
)

AUTHORITY_UNREADABLE = Kind(
    code="authority-unreadable",
    title=Words("{what} is no certificate of an authority", "{what} は認証局の証明書ではありません"),
    cause=Words("It was read and found wrong: {reason}.", "内容を確認した結果: {reason}。"),
    remedy=Words(
        "Give one certificate in PEM or DER that may sign others (basicConstraints CA:TRUE).",
        "ほかの証明書に署名できる証明書（basicConstraints CA:TRUE）を PEM か DER で一つ指定してください。",
    ),
    commands=("openssl x509 -in CERTIFICATE -noout -text",),
)

AUTHORITY_UNKNOWN = Kind(
    code="authority-unknown",
    title=Words("There is no authority {name}", "認証局 {name} はありません"),
    cause=Words(
        "No certificate of an authority is registered under that name.",
        "その名前の認証局の証明書は登録されていません。",
    ),
    remedy=Words("See which there are, or add it.", "一覧を確認するか、追加してください。"),
    commands=("hotori ca list", "hotori ca add {name} CERTIFICATE"),
)

AUTHORITY_EXISTS = Kind(
    code="authority-exists",
    title=Words("The authority {name} exists already", "認証局 {name} はすでに登録されています"),
    cause=Words("Each authority has a name of its own; this one is taken.", "この名前は使用済みです。"),
    remedy=Words("Choose another name, or remove that one first.", "別の名前を選ぶか、先に削除してください。"),
    commands=("hotori ca list", "hotori ca remove {name}"),
)

POSSESSION_UNPROVEN = Kind(
    code="possession-unproven",
    title=Words("Nobody has shown the key of the authority {name}", "認証局 {name} の鍵の所持が確認できません"),
    cause=Words(
        "The certificate sent as proof is not issued by it with the verification code as its common name: {reason}.",
        "証明用の証明書が、確認コードをコモンネームとして認証局が発行したものではありません: {reason}。",
    ),
    remedy=Words(
        "Ask for a new code, issue a certificate for it with the authority's key, and send that.",
        "新しいコードを取得し、認証局の鍵でそのコードの証明書を発行して送ってください。",
    ),
    commands=("hotori ca verify {name}",),
)

CERTIFICATE_UNUSABLE = Kind(
    code="certificate-unusable",
    title=Words("The certificate of {where} cannot be used: {reason}", "{where} の証明書は使えません: {reason}"),
    cause=Words(
        "Whoever shows a certificate needs it and its private key, both in PEM, and in the right name: {reason}.",
        "証明書で本人確認を行うには、証明書とその秘密鍵 (どちらも PEM) が必要で、名前も合っていなければなりません: {reason}。",
    ),
    remedy=Words(
        "Give the certificate with its chain, its own certificate first, and the private key that belongs to it.",
        "証明書（自分の証明書を先頭にしたチェーン）と、それに対応する秘密鍵を指定してください。",
    ),
    commands=("openssl x509 -in CERTIFICATE -noout -text", "openssl pkey -in KEY -noout"),
)

CERTIFICATE_REQUEST_REFUSED = Kind(
    code="certificate-request-refused",
    title=Words(
        "No certificate was issued for {device}: {reason}", "{device} の証明書は発行されませんでした: {reason}"
    ),
    cause=Words(
        "This cloud's authority issues certificates to devices that it has in its registry, in their own name, and "
        "renews those that it issued itself: {reason}.",
        "このクラウドの認証局は、登録済みのデバイスに本人の名前で証明書を発行し、自分が発行したものだけを更新します: {reason}。",
    ),
    remedy=Words(
        "Let whoever issued the device's certificate renew it, or give the device one of this cloud.",
        "デバイスの証明書は発行元で更新するか、このクラウドの証明書に切り替えてください。",
    ),
    commands=("hotori device show {device}", "hotori device certificate {device} --write FILE"),
)

DEVICE_CERTIFICATE_ENDING = Kind(
    code="device-certificate-ending",
    title=Words("The certificate of {device} ends on {end}", "{device} の証明書の期限は {end} です"),
    cause=Words(
        "By it the device shows its cloud who it is. It was not renewed: {reason}.",
        "デバイスはこの証明書でクラウドに本人であることを示します。更新されていません: {reason}。",
    ),
    remedy=Words(
        "Give the device a new certificate before then; with one of the cloud's authority it renews it by itself.",
        "それまでに新しい証明書を設定してください。クラウドの認証局の証明書なら自動で更新されます。",
    ),
    commands=("hotori device certificate {device} --write FILE", "hotori edge run --enrolment FILE"),
    severity=Severity.WARNING,
)

KINDS = (
    THUMBPRINT_MALFORMED,
    CREDENTIALS_DIFFER,
    CERTIFICATE_REFUSED,
    AUTHORITY_UNREADABLE,
    AUTHORITY_UNKNOWN,
    AUTHORITY_EXISTS,
    POSSESSION_UNPROVEN,
    CERTIFICATE_UNUSABLE,
    CERTIFICATE_REQUEST_REFUSED,
    DEVICE_CERTIFICATE_ENDING,
)

"""Problems of enrolments, and of devices that ask to be provisioned."""

from hotori.problems.kind import Kind, Words

SCOPE_FOREIGN = Kind(
    code="scope-foreign",
    title=Words("{registration} asked another cloud: {given}", "{registration} は別のクラウド {given} を求めました"),
    cause=Words(
        "The id scope says which cloud a device means; this cloud's is {scope}.",
        "ID スコープはデバイスがどのクラウドを指すかを表します。このクラウドの ID スコープは {scope} です。",
    ),
    remedy=Words(
        "Give the device the id scope {scope}, or the address of the cloud that it means.",
        "デバイスに ID スコープ {scope} を設定するか、目的のクラウドのアドレスを指定してください。",
    ),
    commands=("hotori enrolment scope",),
)

ENROLMENT_UNKNOWN = Kind(
    code="enrolment-unknown",
    title=Words("Nobody enrolled {registration}", "{registration} の登録枠がありません"),
    cause=Words(
        "There is no enrolment of that name, and no group whose key or authority vouches for the device.",
        "その名前の登録枠がなく、キーや認証局でこのデバイスを保証するグループもありません。",
    ),
    remedy=Words(
        "Enrol the device, or check the name and the key that it uses; a device of a group uses a key derived from "
        "the group's and its own name.",
        "デバイスの登録枠を作るか、名前とキーを確認してください。グループのデバイスは、グループのキーと自分の名前から"
        "導いたキーを使います。",
    ),
    commands=("hotori enrolment list", "hotori enrolment create {registration}"),
)

ENROLMENT_DISABLED = Kind(
    code="enrolment-disabled",
    title=Words("The enrolment of {registration} is disabled", "{registration} の登録枠は無効です"),
    cause=Words(
        "The enrolment {enrolment} says that its devices may not be provisioned.",
        "登録枠 {enrolment} は、デバイスの登録を許していません。",
    ),
    remedy=Words("Enable it if they should.", "登録を許す場合は有効にしてください。"),
    commands=("hotori enrolment show {enrolment}",),
)

APPLICANT_REFUSED = Kind(
    code="applicant-refused",
    title=Words("{registration} was not provisioned: {reason}", "{registration} は登録されませんでした: {reason}"),
    cause=Words(
        "What the device showed was looked at and found wrong: {reason}.",
        "デバイスが示したものに次の問題がありました: {reason}。",
    ),
    remedy=Words(
        "Compare the device's key or certificate with the enrolment's, and the two clocks.",
        "デバイスのキーや証明書を登録枠と照合し、両方の時計も確かめてください。",
    ),
    commands=("hotori enrolment show {registration}", "date -u"),
)

ENROLMENT_MALFORMED = Kind(
    code="enrolment-malformed",
    title=Words("The enrolment cannot be understood", "登録枠の内容を解釈できません"),
    cause=Words("It was read and found wrong: {reason}.", "内容を確認した結果: {reason}。"),
    remedy=Words(
        "Mend what the cause names. Nothing was changed.", "原因の箇所を直してください。何も変更されていません。"
    ),
)

TPM_UNSUPPORTED = Kind(
    code="tpm-unsupported",
    title=Words("{registration} cannot be provisioned by a TPM", "{registration} を TPM で登録することはできません"),
    cause=Words(
        "Attestation by a TPM's endorsement key is not there; there are symmetricKey and x509.",
        "TPM の保証キーによる証明には対応していません。使えるのは symmetricKey と x509 です。",
    ),
    remedy=Words(
        "Enrol the device by a certificate, whose private key a TPM may hold, or by a symmetric key.",
        "証明書（秘密キーは TPM に置けます）または対称キーで登録枠を作ってください。",
    ),
    commands=("hotori enrolment create --help",),
)

ENROLMENT_EXISTS = Kind(
    code="enrolment-exists",
    title=Words("The enrolment {name} exists already", "登録枠 {name} はすでに存在します"),
    cause=Words("Each enrolment has a name of its own; this one is taken.", "この名前は使用済みです。"),
    remedy=Words("Choose another name, or delete that one first.", "別の名前を選ぶか、先に削除してください。"),
    commands=("hotori enrolment show {name}", "hotori enrolment delete {name}"),
)

ENROLMENT_MISSING_HERE = Kind(
    code="no-such-enrolment",
    title=Words("There is no enrolment {name}", "登録枠 {name} はありません"),
    cause=Words(
        "No enrolment of that name is there; a group and a single device are looked for apart.",
        "その名前の登録枠がありません。グループと個別の登録枠は別々に探します。",
    ),
    remedy=Words("See which there are.", "一覧を確認してください。"),
    commands=("hotori enrolment list", "hotori enrolment list --group"),
)

REGISTRATION_UNKNOWN = Kind(
    code="registration-unknown",
    title=Words("{name} was never provisioned", "{name} は登録されたことがありません"),
    cause=Words(
        "No device asked under that name, or its record was deleted, or the operation is an old one.",
        "その名前での登録がないか、記録が削除されたか、操作番号が古いものです。",
    ),
    remedy=Words("Let the device register.", "デバイスから登録を行ってください。"),
)

DEVICE_TAKEN = Kind(
    code="device-taken",
    title=Words(
        "{registration} asked for the device {device}, which is not its own",
        "{registration} が、別の手段で作られたデバイス {device} を求めました",
    ),
    cause=Words(
        "The device {device} was made by hand or by another enrolment. A group's key does not open it.",
        "デバイス {device} は手動または別の登録枠で作られたものです。グループのキーでは引き継げません。",
    ),
    remedy=Words(
        "Remove the device if it is to be provisioned anew, or enrol it by its own name.",
        "登録し直す場合はデバイスを削除するか、個別の登録枠を作ってください。",
    ),
    commands=("hotori device show {device}", "hotori device remove {device}"),
)

PROVISIONING_FAILED = Kind(
    code="provisioning-failed",
    title=Words("{registration} got no device", "{registration} にデバイスが割り当てられませんでした"),
    cause=Words("The cloud took the application and answered: {reason}.", "申請に対するクラウドの答え: {reason}。"),
    remedy=Words(
        "Mend what the cause names, in the enrolment or the registry, and register again.",
        "登録枠またはデバイスの登録を直してから、もう一度登録してください。",
    ),
    commands=("hotori enrolment show {registration}",),
)

KINDS = (
    PROVISIONING_FAILED,
    SCOPE_FOREIGN,
    ENROLMENT_UNKNOWN,
    ENROLMENT_DISABLED,
    APPLICANT_REFUSED,
    ENROLMENT_MALFORMED,
    TPM_UNSUPPORTED,
    ENROLMENT_EXISTS,
    ENROLMENT_MISSING_HERE,
    REGISTRATION_UNKNOWN,
    DEVICE_TAKEN,
)

"""Problems of deployments to many devices."""

from hotori.problems.kind import Kind, Words

CONFIGURATION_UNKNOWN = Kind(
    code="configuration-unknown",
    title=Words("There is no deployment {configuration}", "デプロイ {configuration} はありません"),
    cause=Words("No configuration of that id is kept here.", "その ID の構成は登録されていません。"),
    remedy=Words("Look which there are; ids are written in lower case.", "一覧で確認してください。ID は小文字です。"),
    commands=("hotori deployment list",),
)

CONFIGURATION_EXISTS = Kind(
    code="configuration-exists",
    title=Words("There is a deployment {configuration} already", "デプロイ {configuration} はすでにあります"),
    cause=Words(
        "Each id is used once, since the content of a deployment never changes.",
        "デプロイの内容は変更できないため、ID は一度しか使えません。",
    ),
    remedy=Words(
        "Choose another id with a higher priority, or delete the one that is there.",
        "別の ID でより高い優先度を付けるか、既存のものを削除してください。",
    ),
    commands=("hotori deployment show {configuration}", "hotori deployment delete {configuration}"),
)

CONFIGURATION_FIXED = Kind(
    code="configuration-fixed",
    title=Words("The content of {configuration} cannot change", "{configuration} の内容は変更できません"),
    cause=Words(
        "Labels, priority, target condition and metrics may change; content and rollout are fixed at creation, so "
        "that everybody who has the deployment has the same.",
        "変更できるのはラベル、優先度、ターゲット条件、メトリックだけです。内容と展開方法は作成時に固定され、"
        "同じデプロイを持つデバイスは必ず同じ内容になります。",
    ),
    remedy=Words(
        "Create another deployment with a higher priority.", "より高い優先度の新しいデプロイを作成してください。"
    ),
    commands=("hotori deployment show {configuration}",),
)

TOO_MANY = Kind(
    code="configurations-too-many",
    title=Words("There are {limit} deployments already", "デプロイがすでに {limit} 個あります"),
    cause=Words("Every device is matched with each of them.", "すべてのデバイスをそれぞれの条件と照合するためです。"),
    remedy=Words("Delete those that nothing needs any more.", "不要になったものを削除してください。"),
    commands=("hotori deployment list",),
)

ROLLOUT_NOT_SO = Kind(
    code="rollout-not-so",
    title=Words("The rollout of {configuration} is {state}", "{configuration} の展開は {state} の状態です"),
    cause=Words("What was asked needs it to be: {needed}.", "この操作ができるのは次の状態のときだけです: {needed}。"),
    remedy=Words("Look how it stands first.", "まず状態を確認してください。"),
    commands=("hotori deployment show {configuration}",),
)

KINDS = (CONFIGURATION_UNKNOWN, CONFIGURATION_EXISTS, CONFIGURATION_FIXED, TOO_MANY, ROLLOUT_NOT_SO)

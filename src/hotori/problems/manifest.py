"""Problems of deployment manifests, routes and twins."""

from hotori.problems.kind import Kind, Words

TWIN_INVALID = Kind(
    code="twin-invalid",
    title=Words("The twin was not changed: fault at {pointer}", "ツインは変更されませんでした: {pointer} に誤り"),
    cause=Words("At {pointer}, {reason}.", "{pointer}: {reason}。"),
    remedy=Words(
        "Mend the value at that place and send it again. Keep large data in the object store and its address in the twin.",
        "その箇所を直して送り直してください。大きなデータはオブジェクトストアに置き、ツインには場所だけを書きます。",
    ),
)

MANIFEST_MALFORMED = Kind(
    code="manifest-malformed",
    title=Words("The manifest was refused: fault at {pointer}", "マニフェストは拒否されました: {pointer} に誤り"),
    cause=Words("At {pointer}: {reason}.", "{pointer}: {reason}。"),
    remedy=Words(
        "Mend that place and deploy again. Nothing was stored and no device was touched.",
        "その箇所を直してもう一度デプロイしてください。何も保存されず、デバイスにも影響はありません。",
    ),
    commands=("hotori deploy --check FILE",),
)

PLACEHOLDER_LEFT = Kind(
    code="placeholder-left",
    title=Words(
        "The manifest still has the placeholder {placeholder}",
        "マニフェストにプレースホルダー {placeholder} が残っています",
    ),
    cause=Words(
        "At {pointer}, {placeholder} was not filled in: the template was given instead of what is made of it, "
        "or the value it names is set neither in the environment nor in the .env file beside the template.",
        "{pointer} の {placeholder} が置き換えられていません。テンプレートのまま渡したか、"
        "値が環境変数にも隣の .env ファイルにも設定されていません。",
    ),
    remedy=Words(
        "Set the value in .env, or deploy the solution's folder so that the template is filled in for you.",
        ".env に値を書くか、ソリューションのフォルダーを指定してデプロイすると自動で置き換えられます。",
    ),
    commands=("hotori deploy SOLUTION --device DEVICE",),
)

SCHEMA_UNSUPPORTED = Kind(
    code="schema-unsupported",
    title=Words(
        "Schema version {version} of {part} is not understood",
        "{part} のスキーマバージョン {version} に対応していません",
    ),
    cause=Words(
        "This device understands 1.0 and 1.1.",
        "このデバイスが対応するのは 1.0 と 1.1 です。",
    ),
    remedy=Words('Write "schemaVersion": "1.1".', '"schemaVersion": "1.1" と書いてください。'),
)

ROUTE_INVALID = Kind(
    code="route-invalid",
    title=Words(
        "The route {name} cannot be understood at column {column}", "ルート {name} の {column} 文字目を解釈できません"
    ),
    cause=Words(
        "At {pointer}, column {column}: {reason}. The other routes are not affected.",
        "{pointer} の {column} 文字目: {reason}。ほかのルートには影響ありません。",
    ),
    remedy=Words(
        "Write it as FROM source [WHERE condition] INTO sink, as in FROM /messages/modules/camera/outputs/* INTO $upstream "
        'or … INTO BrokeredEndpoint("/modules/classifier/inputs/pictures").',
        "FROM 送信元 [WHERE 条件] INTO 宛先 の形で書いてください。例: FROM /messages/modules/camera/outputs/* INTO $upstream、"
        '… INTO BrokeredEndpoint("/modules/classifier/inputs/pictures")',
    ),
    commands=("hotori routes check FILE", "hotori deploy --check FILE"),
)

KINDS = (TWIN_INVALID, MANIFEST_MALFORMED, PLACEHOLDER_LEFT, SCHEMA_UNSUPPORTED, ROUTE_INVALID)

"""Problems of solutions on the developer's machine."""

from hotori.problems.kind import Kind, Words

PROGRAM_ENDED = Kind(
    code="program-ended",
    title=Words(
        "{program} ended before it was ready (exit status {status})",
        "{program} が準備完了前に終了しました（終了ステータス {status}）",
    ),
    cause=Words(
        "Its last lines below say why; the whole log is {log}.",
        "理由は下の最後の数行にあります。ログ全体は {log} です。",
    ),
    remedy=Words("Mend what the lines name, then start again.", "そこに示された原因を直して、もう一度始めてください。"),
)

PROGRAM_SLOW = Kind(
    code="program-slow",
    title=Words("{program} did not become ready in time", "{program} が時間内に準備できませんでした"),
    cause=Words(
        "It still ran, but had not written its connect.json. Its last lines are below; the whole log is {log}.",
        "動いてはいましたが、connect.json が書かれませんでした。最後の数行は下に、ログ全体は {log} にあります。",
    ),
    remedy=Words(
        "Look whether the machine is overloaded or its disk very slow, then start again.",
        "機械の負荷が高すぎないか、ディスクが遅すぎないかを確かめて、もう一度始めてください。",
    ),
    commands=("uptime", "tail -n 50 {log}"),
)

NO_SOLUTION = Kind(
    code="no-solution",
    title=Words("{path} holds no solution", "{path} にソリューションがありません"),
    cause=Words(
        "A solution is a folder with a deployment.template.json, or a manifest file with modulesContent; "
        "here {reason}.",
        "ソリューションは deployment.template.json のあるフォルダーか、modulesContent を含むマニフェストです。原因: {reason}。",
    ),
    remedy=Words("Name such a folder or file.", "そのようなフォルダーかファイルを指定してください。"),
    commands=("hotori deploy examples/main-job --device DEVICE",),
)

MODULE_FILE_INVALID = Kind(
    code="module-file-invalid",
    title=Words("{path} does not describe a module", "{path} はモジュールの説明として正しくありません"),
    cause=Words("{reason}.", "{reason}。"),
    remedy=Words(
        "Mend the file; the modules in examples/main-job show its form.",
        "ファイルを直してください。書き方は examples/main-job のモジュールを参考にしてください。",
    ),
)

VARIABLE_MISSING = Kind(
    code="variable-missing",
    title=Words("The variable {name} has no value", "変数 {name} に値がありません"),
    cause=Words(
        "{path} asks for it, and it is set neither with --set, nor in .env, nor in the environment.",
        "{path} が必要としていますが、--set にも .env にも環境変数にもありません。",
    ),
    remedy=Words("Give it a value.", "値を指定してください。"),
    commands=("hotori deploy SOLUTION --device DEVICE --set {name}=VALUE",),
)

KINDS: tuple[Kind, ...] = (PROGRAM_ENDED, PROGRAM_SLOW, NO_SOLUTION, MODULE_FILE_INVALID, VARIABLE_MISSING)

"""Problems of modules that run on a device."""

from hotori.problems import module_ends, upkeep
from hotori.problems.kind import Kind, Words

LOGS_REFUSED = Kind(
    code="logs-refused",
    title=Words(
        "{device} did not give the logs (status {status})", "{device} がログを返しませんでした（状態 {status}）"
    ),
    cause=Words(
        "The device's agent answered the request with an error: no such module, or more text than one answer holds.",
        "デバイスのエージェントがエラーを返しました。モジュール名の誤りか、ログが一度に返せる量を超えています。",
    ),
    remedy=Words(
        "Check the module's name, or ask for fewer lines.",
        "モジュール名を確かめるか、行数を減らしてください。",
    ),
    commands=("hotori twin '{device}/$edgeAgent'", "hotori logs {device} MODULE --tail 50"),
)

MODULE_PROGRAM_MISSING = Kind(
    code="module-program-missing",
    title=Words("{module} has no program {program}", "{module} にプログラム {program} がありません"),
    cause=Words(
        "The image says to run {program}, but there is no such file in the image nor on this device.",
        "イメージは {program} を実行するよう指定していますが、イメージの中にもデバイスにもその名前のファイルがありません。",
    ),
    remedy=Words(
        "Correct the entrypoint of the image, or Cmd and Entrypoint in createOptions: a list of words, not one text.",
        "イメージのエントリーポイント、または createOptions の Cmd・Entrypoint を直してください。"
        "一つの文字列ではなく、単語のリストで書きます。",
    ),
)

MODULE_PROGRAM_NOT_EXECUTABLE = Kind(
    code="module-program-not-executable",
    title=Words("{program} of {module} may not be executed", "{module} の {program} に実行権限がありません"),
    cause=Words(
        "The file is there, but it is a folder or has no execute permission.",
        "ファイルはありますが、フォルダーであるか、実行権限が付いていません。",
    ),
    remedy=Words(
        "Give the file execute permission (chmod +x) before the image is built.",
        "イメージを作る前に、ファイルへ実行権限を付けてください（chmod +x）。",
    ),
)

MODULE_PROGRAM_WRONG_CPU = Kind(
    code="module-program-wrong-cpu",
    title=Words(
        "{program} of {module} is for {found}, and this device is {host}",
        "{module} の {program} は {found} 用で、このデバイスは {host} です",
    ),
    cause=Words(
        "The image says it is for this device, but the program inside was made for another kind of processor.",
        "イメージはこのデバイス用とされていますが、中のプログラムは別の種類のプロセッサ用です。",
    ),
    remedy=Words(
        "Put a program made for {host} into the image, and build it again.",
        "{host} 用のプログラムを入れて、イメージを作り直してください。",
    ),
    depends_on=("image-wrong-platform",),
)

MODULE_SCRIPT_WITHOUT_INTERPRETER = Kind(
    code="module-script-without-interpreter",
    title=Words(
        "{program} of {module} does not say what runs it", "{module} の {program} に実行方法の指定がありません"
    ),
    cause=Words(
        "The file is neither a program for this system nor a script whose first line begins with #!, so Linux answers "
        "'exec format error', just as it does for the wrong processor.",
        "このシステム用のプログラムでも、1 行目が #! で始まるスクリプトでもないため、"
        "プロセッサの種類が違うときと同じ「exec format error」になります。",
    ),
    remedy=Words(
        "Begin the script with a line such as #!/bin/sh, or name the interpreter in the entrypoint.",
        "スクリプトの先頭に #!/bin/sh のような行を書くか、エントリーポイントにインタープリターを書いてください。",
    ),
)

MODULE_INTERPRETER_MISSING = Kind(
    code="module-interpreter-missing",
    title=Words(
        "{program} of {module} needs {interpreter}, which is not there",
        "{module} の {program} に必要な {interpreter} がありません",
    ),
    cause=Words(
        "The program is there, but the interpreter or loader that it names is not. Linux reports this as 'no such file "
        "or directory', as if the program itself were missing. An interpreter that ends in \\r comes from a file saved "
        "with Windows line ends.",
        "プログラムはありますが、それが指定するインタープリターやローダーがありません。Linux はプログラム自体がない場合と"
        "同じ「no such file or directory」を返します。末尾が \\r なら、Windows の改行で保存されています。",
    ),
    remedy=Words(
        "Put the interpreter into the image, correct the #! line, or save the script with Unix line ends.",
        "インタープリターをイメージに入れるか、#! の行を直すか、スクリプトを Unix の改行で保存してください。",
    ),
)

MODULE_WITHOUT_COMMAND = Kind(
    code="module-without-command",
    title=Words("{module} has nothing to run", "{module} に実行するものがありません"),
    cause=Words(
        "Neither the image {image} nor createOptions name an Entrypoint or a Cmd.",
        "イメージ {image} にも createOptions にも Entrypoint と Cmd がありません。",
    ),
    remedy=Words(
        'Name the program in the image, or in createOptions: {{"Cmd": ["python3", "main.py"]}}.',
        'イメージか createOptions でプログラムを指定してください: {{"Cmd": ["python3", "main.py"]}}。',
    ),
)

CREATE_OPTIONS_INVALID = Kind(
    code="create-options-invalid",
    title=Words("createOptions of {module} are wrong at {pointer}", "{module} の createOptions の {pointer} に誤り"),
    cause=Words("At {pointer}, {reason}.", "{pointer}: {reason}。"),
    remedy=Words(
        "Write that value as the container engine's API takes it, and deploy again.",
        "コンテナーエンジンの API の形式でその値を書き直し、もう一度デプロイしてください。",
    ),
    commands=("hotori deploy --check FILE",),
)

MODULE_UNKNOWN = Kind(
    code="module-unknown",
    title=Words("There is no module {module} on this device", "このデバイスにモジュール {module} はありません"),
    cause=Words(
        "The modules here are: {modules}. Names are case-sensitive.",
        "ここにあるモジュール: {modules}。大文字と小文字は区別されます。",
    ),
    remedy=Words(
        "Use one of those names, or deploy the module.", "この中の名前を使うか、モジュールをデプロイしてください。"
    ),
    commands=("hotori deploy SOLUTION --device DEVICE",),
)

DEVICE_NOT_RUNNING = Kind(
    code="device-not-running",
    title=Words("No edge device answers at {socket}", "{socket} で応答するエッジデバイスがありません"),
    cause=Words(
        "A running device opens that socket for its owner; nothing answers there, or it is not ours to open.",
        "動いているデバイスはこのソケットを所有者のために開きますが、応答がないか、開く権限がありません。",
    ),
    remedy=Words(
        "Name the data folder of the device, start the device, or ask as the user that runs it.",
        "デバイスのデータフォルダーを指定するか、デバイスを起動するか、それを動かすユーザーで実行してください。",
    ),
    commands=("hotori edge run --data FOLDER",),
)

KINDS: tuple[Kind, ...] = (
    DEVICE_NOT_RUNNING,
    LOGS_REFUSED,
    MODULE_PROGRAM_MISSING,
    MODULE_PROGRAM_NOT_EXECUTABLE,
    MODULE_PROGRAM_WRONG_CPU,
    MODULE_SCRIPT_WITHOUT_INTERPRETER,
    MODULE_INTERPRETER_MISSING,
    MODULE_WITHOUT_COMMAND,
    CREATE_OPTIONS_INVALID,
    MODULE_UNKNOWN,
    *module_ends.KINDS,
    *upkeep.KINDS,
)

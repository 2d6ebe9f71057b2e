"""Problems by which a module ends or does no work: what its last words and its exit status mean."""

from hotori.problems.kind import Kind, Words

_LOGS = "hotori logs DEVICE {module} --tail 50"
_DEPLOY = "hotori deploy SOLUTION --device DEVICE"

MODULE_WRONG_ARCHITECTURE = Kind(
    code="module-wrong-architecture",
    title=Words("{module} was built for another processor", "{module} は別のプロセッサ用に作られています"),
    cause=Words(
        "This device cannot execute {program} ('exec format error'): it was made for another kind of processor, or it "
        "is a script whose first line does not begin with #!.",
        "このデバイスは {program} を実行できません（exec format error）。別の種類のプロセッサ用であるか、"
        "1 行目が #! で始まらないスクリプトです。",
    ),
    remedy=Words(
        "Build the image for this device's platform, push it, and deploy again.",
        "このデバイスのプラットフォーム用にイメージを作り直し、送信してデプロイし直してください。",
    ),
    commands=("hotori deploy SOLUTION --device DEVICE --platform PLATFORM", _DEPLOY),
    depends_on=("image-wrong-platform", "module-program-wrong-cpu", "module-script-without-interpreter"),
)

MODULE_IMPORT_ERROR = Kind(
    code="module-import-error",
    title=Words("{module} lacks the package {package}", "{module} にパッケージ {package} がありません"),
    cause=Words(
        "The program imports {package}, and the image does not contain it, or contains another version of it.",
        "プログラムが {package} をインポートしていますが、イメージに入っていないか、別のバージョンが入っています。",
    ),
    remedy=Words(
        "Add {package} to the module's requirements, build the image again, and deploy it.",
        "モジュールの requirements に {package} を加え、イメージを作り直してデプロイしてください。",
    ),
    commands=(_DEPLOY,),
)

MODULE_LIBRARY_MISSING = Kind(
    code="module-library-missing",
    title=Words("{module} lacks the system library {library}", "{module} にシステムライブラリ {library} がありません"),
    cause=Words(
        "A package in the image needs {library}, and neither the image nor this device has it.",
        "イメージ内のパッケージが {library} を必要としていますが、イメージにもデバイスにもありません。",
    ),
    remedy=Words(
        "Install the system package that contains {library}, or use a build of the Python package that does without it "
        "(opencv-python-headless in place of opencv-python).",
        "{library} を含むシステムパッケージを入れるか、不要な版を使ってください"
        "（opencv-python の代わりに opencv-python-headless など）。",
    ),
)

MODULE_MISSING_ENVIRONMENT = Kind(
    code="module-missing-environment",
    title=Words("{module} lacks the environment variable {variable}", "{module} に環境変数 {variable} がありません"),
    cause=Words(
        "The program asked for {variable} and ended because it is not set.",
        "プログラムが {variable} を参照しましたが、設定されていないため終了しました。",
    ),
    remedy=Words(
        "Set {variable} under the module's `env` in the manifest and deploy again. IOTEDGE_ variables are given to "
        "every module that the agent runs; a program started by hand does not have them.",
        "マニフェストでモジュールの `env` に {variable} を設定し、デプロイし直してください。IOTEDGE_ で始まる変数は"
        "エージェントが動かすモジュールに渡されます。手で起動したプログラムにはありません。",
    ),
    commands=(_DEPLOY,),
)

MODULE_OUT_OF_MEMORY = Kind(
    code="module-out-of-memory",
    title=Words("{module} ran out of memory", "{module} はメモリー不足になりました"),
    cause=Words(
        "The program wanted more memory than it may have, or than the device has.",
        "プログラムが、許された量またはデバイスにある量より多くのメモリーを使おうとしました。",
    ),
    remedy=Words(
        "Raise HostConfig.Memory in createOptions, make the module use less (smaller pictures, a smaller model), or run "
        "fewer modules on this device.",
        "createOptions の HostConfig.Memory を増やすか、画像やモデルを小さくするか、このデバイスのモジュールを減らしてください。",
    ),
    commands=("free -h", _LOGS),
)

MODULE_KILLED = Kind(
    code="module-killed",
    title=Words("{module} was killed from outside", "{module} は外から強制終了されました"),
    cause=Words(
        "It ended by signal 9, which no program sends itself: somebody killed it, it did not end within the time it had "
        "to stop, or the system was short of memory.",
        "シグナル 9 で終了しました。誰かが終了させたか、停止の猶予時間内に終わらなかったか、システムのメモリー不足です。",
    ),
    remedy=Words(
        "Look in the system's journal for 'Out of memory'; make the program end when it gets SIGTERM.",
        "システムのログに「Out of memory」がないか調べ、SIGTERM を受けたら終了するようにプログラムを直してください。",
    ),
    commands=("dmesg | grep -i 'out of memory'", _LOGS),
    depends_on=("module-out-of-memory",),
)

MODULE_SEGFAULT = Kind(
    code="module-segfault",
    title=Words("{module} crashed in native code", "{module} はネイティブコードで異常終了しました"),
    cause=Words(
        "It ended by {signal}: compiled code inside it did something that the processor or the C library refused.",
        "{signal} で終了しました。コンパイルされたコードが、プロセッサや C ライブラリに拒否される動作をしました。",
    ),
    remedy=Words(
        "Use another version of the compiled packages in the image, such as those that were last known to work.",
        "イメージ内のコンパイル済みパッケージを、動作実績のある別のバージョンに変えてください。",
    ),
    commands=(_LOGS,),
)

MODULE_ILLEGAL_INSTRUCTION = Kind(
    code="module-illegal-instruction",
    title=Words("{module} needs a newer processor", "{module} にはより新しいプロセッサが必要です"),
    cause=Words(
        "It ended by 'illegal instruction': a compiled package in it uses instructions that this processor lacks.",
        "「Illegal instruction」で終了しました。中のパッケージが、このプロセッサにない命令を使っています。",
    ),
    remedy=Words(
        "Use a build of that package for this processor, or an older version of it.",
        "このプロセッサ向けの版、または古いバージョンのパッケージを使ってください。",
    ),
    commands=("lscpu", _LOGS),
)

MODULE_HOST_LIBRARY_OLD = Kind(
    code="module-host-library-old",
    title=Words("This device's system is too old for {module}", "{module} に対してこのデバイスのシステムが古すぎます"),
    cause=Words(
        "Python could not read the clock: the device's libseccomp2 is older than 2.4.2 and blocks system calls that the "
        "image uses.",
        "Python が時計を読めませんでした。デバイスの libseccomp2 が 2.4.2 より古く、必要なシステムコールを遮断しています。",
    ),
    remedy=Words(
        "Upgrade libseccomp2 on the device (Raspberry Pi OS Buster: from the backports), or run the module as a process.",
        "デバイスの libseccomp2 を更新するか（Raspberry Pi OS Buster では backports から）、"
        "モジュールをプロセスとして動かしてください。",
    ),
    commands=("sudo apt-get install libseccomp2",),
)

MODULE_DEVICE_MISSING = Kind(
    code="module-device-missing",
    title=Words("{module} does not find {device}", "{module} から {device} が見つかりません"),
    cause=Words(
        "The program opens {device}, and there is no such device here, or it was not handed to the module.",
        "プログラムが {device} を開こうとしましたが、デバイスに存在しないか、モジュールに渡されていません。",
    ),
    remedy=Words(
        "Plug it in and look which name it has; for a container, name it under HostConfig.Devices in createOptions.",
        "接続して名前を確認してください。コンテナーの場合は createOptions の HostConfig.Devices に書きます。",
    ),
    commands=("ls -l /dev/video* /dev/tty*",),
)

MODULE_PORT_IN_USE = Kind(
    code="module-port-in-use",
    title=Words("{module} cannot have port {port}: it is taken", "{module} が使うポート {port} は使用中です"),
    cause=Words(
        "{holder} on this device listens on port {port} already.",
        "このデバイスの{holder}が、すでにポート {port} で待ち受けています。",
    ),
    remedy=Words(
        "End that program, or give the module another port in HostConfig.PortBindings of createOptions or in its env.",
        "そのプログラムを終了するか、createOptions の HostConfig.PortBindings や env で別のポートを指定してください。",
    ),
    commands=("ss -ltnp 'sport = :{port}'",),
)

MODULE_NAME_UNRESOLVED = Kind(
    code="module-name-unresolved",
    title=Words("{module} could not resolve a host name", "{module} はホスト名を解決できませんでした"),
    cause=Words(
        "'Name or service not known' means that there is no such name; 'temporary failure' that no name server answered, "
        "as when the device is offline.",
        "「Name or service not known」はその名前が存在しないこと、「temporary failure」はオフラインなどで"
        "名前サーバーが応答しないことを意味します。",
    ),
    remedy=Words(
        "Correct the host name in the module's settings, or mend the device's name service.",
        "モジュールの設定のホスト名を直すか、デバイスの名前解決を直してください。",
    ),
    commands=("getent hosts NAME", _LOGS),
    depends_on=("cloud-unreachable",),
)

MODULE_CONNECTION_REFUSED = Kind(
    code="module-connection-refused",
    title=Words("{module} found nobody listening", "{module} の接続先で誰も待ち受けていません"),
    cause=Words(
        "The machine it called is there, but no program listens on that port: the module or service it needs is not "
        "running, or not yet. This is not a matter of keys.",
        "相手の機械は応答しましたが、そのポートで待ち受けるプログラムがありません。必要なモジュールやサービスが"
        "動いていないか、起動途中です。キーの問題ではありません。",
    ),
    remedy=Words(
        "See whether the other one runs; let the module try again when it is refused.",
        "相手が動いているか確認し、拒否されたら再試行するようにしてください。",
    ),
    commands=(_LOGS,),
    depends_on=("cloud-unreachable", "module-crashed", "module-import-error"),
)

MODULE_CERTIFICATE_UNTRUSTED = Kind(
    code="module-certificate-untrusted",
    title=Words(
        "{module} does not trust the certificate it was shown", "{module} は提示された証明書を信頼していません"
    ),
    cause=Words(
        "TLS ended with 'certificate verify failed': the authority is not the one the module knows, or the certificate "
        "is made out to another name.",
        "TLS が「certificate verify failed」で失敗しました。認証局が違うか、証明書の名前が接続先と一致しません。",
    ),
    remedy=Words(
        "Use the trust bundle that the agent gives, and dial the name in IOTEDGE_GATEWAYHOSTNAME. After a change of "
        "authority, start the module again.",
        "エージェントが渡すトラストバンドルを使い、IOTEDGE_GATEWAYHOSTNAME の名前で接続してください。"
        "認証局を変えた後はモジュールを再起動してください。",
    ),
)

MODULE_UNAUTHORISED = Kind(
    code="module-unauthorised",
    title=Words("{module} was refused as unauthorised", "{module} は認証を拒否されました"),
    cause=Words(
        "The hub answered, and did not accept the module's token: the identity was made anew, is disabled, or a clock is "
        "wrong.",
        "ハブは応答しましたが、モジュールのトークンを受け付けませんでした。登録の作り直し、無効化、時計のずれが考えられます。",
    ),
    remedy=Words(
        "Compare the clocks; see in the registry that the module exists and is enabled; then start it again.",
        "時計を確かめ、登録簿にモジュールが有効な状態であることを確認してから、再起動してください。",
    ),
    commands=("date -u", "hotori device show DEVICE"),
    depends_on=("module-connection-refused",),
)

MODULE_DISK_FULL = Kind(
    code="module-disk-full",
    title=Words("The disk is full for {module}", "{module} の書き込み先ディスクがいっぱいです"),
    cause=Words(
        "Writing ended with 'no space left on device'.",
        "書き込みが「no space left on device」で失敗しました。",
    ),
    remedy=Words(
        "Free some space on the device; images and logs that nobody needs are often most of it.",
        "デバイスの空きを増やしてください。不要なイメージやログが大半を占めていることがよくあります。",
    ),
    commands=("df -h",),
)

MODULE_USER_MISSING = Kind(
    code="module-user-missing",
    title=Words("{module} has no user {user}", "{module} にユーザー {user} がありません"),
    cause=Words(
        "The image or createOptions say to run as {user}, and the image's /etc/passwd does not have that name.",
        "イメージか createOptions で {user} として実行するよう指定されていますが、イメージの /etc/passwd にありません。",
    ),
    remedy=Words(
        "Add the user when the image is built, or give a numeric user id.",
        "イメージを作るときにユーザーを追加するか、数値のユーザー ID を指定してください。",
    ),
)

MODULE_OPTIONS_REFUSED = Kind(
    code="module-options-refused",
    title=Words(
        "The engine refused the createOptions of {module}", "エンジンが {module} の createOptions を拒否しました"
    ),
    cause=Words("The engine's words: {reason}.", "エンジンの応答: {reason}。"),
    remedy=Words(
        "Write that value in the type that the engine's API has for it, and deploy again.",
        "その値をエンジンの API が定める型で書き直し、デプロイし直してください。",
    ),
    commands=("hotori deploy --check FILE",),
)

REGISTRY_WITHOUT_TLS = Kind(
    code="registry-without-tls",
    title=Words(
        "The image registry {address} speaks plain HTTP", "イメージレジストリ {address} は暗号化されていない HTTP です"
    ),
    cause=Words(
        "The engine asked for HTTPS, as it does for every registry that is not on this machine, and got HTTP.",
        "エンジンは自機以外のレジストリに HTTPS を求めますが、HTTP の応答が返りました。",
    ),
    remedy=Words(
        "Give the registry a certificate, or name it under insecure-registries in the engine's daemon.json.",
        "レジストリに証明書を設定するか、エンジンの daemon.json の insecure-registries に加えてください。",
    ),
)

MODULE_CRASHED = Kind(
    code="module-crashed",
    title=Words("{module} ended with status {status}", "{module} は状態 {status} で終了しました"),
    cause=Words(
        "The program ended by itself; its last words are the evidence below.",
        "プログラムが自分で終了しました。最後の出力を証拠として示します。",
    ),
    remedy=Words(
        "Read its last words, mend the program or its settings, and deploy again. It is started again meanwhile, as its "
        "restart policy says.",
        "最後の出力を読み、プログラムや設定を直してデプロイし直してください。その間も再起動ポリシーに従って再起動されます。",
    ),
    commands=(_LOGS,),
)

MODULE_FAULT = Kind(
    code="module-fault",
    title=Words("A step for {module} failed: {step}", "{module} の処理に失敗しました: {step}"),
    cause=Words(
        "The runtime's words: {reason}. The step is tried again with growing pauses; other modules go on.",
        "ランタイムの応答: {reason}。間隔を広げながら再試行します。ほかのモジュールは動き続けます。",
    ),
    remedy=Words(
        "Read the evidence and the agent's log; deploy again once it is mended.",
        "証拠とエージェントのログを確認し、直ったらデプロイし直してください。",
    ),
)

ENDS: tuple[Kind, ...] = (
    MODULE_WRONG_ARCHITECTURE,
    MODULE_IMPORT_ERROR,
    MODULE_LIBRARY_MISSING,
    MODULE_MISSING_ENVIRONMENT,
    MODULE_OUT_OF_MEMORY,
    MODULE_KILLED,
    MODULE_SEGFAULT,
    MODULE_ILLEGAL_INSTRUCTION,
    MODULE_HOST_LIBRARY_OLD,
    MODULE_DEVICE_MISSING,
    MODULE_PORT_IN_USE,
    MODULE_NAME_UNRESOLVED,
    MODULE_CONNECTION_REFUSED,
    MODULE_CERTIFICATE_UNTRUSTED,
    MODULE_UNAUTHORISED,
    MODULE_DISK_FULL,
    MODULE_USER_MISSING,
    MODULE_OPTIONS_REFUSED,
    REGISTRY_WITHOUT_TLS,
    MODULE_CRASHED,
    MODULE_FAULT,
)

MODULE_RESTARTING = Kind(
    code="module-restarting",
    title=Words(
        "{module} was restarted {count} times and keeps ending", "{module} は {count} 回再起動しても終了します"
    ),
    cause=Words(
        "Each time it is started it ends again. It is still tried, at the longest interval.",
        "起動するたびに終了します。最長の間隔で再試行を続けています。",
    ),
    remedy=Words(
        "Read its log for the reason, mend it, and deploy again.",
        "ログで原因を調べて直し、デプロイし直してください。",
    ),
    commands=(_LOGS,),
    depends_on=tuple(kind.code for kind in ENDS),
)

KINDS: tuple[Kind, ...] = (*ENDS, MODULE_RESTARTING)

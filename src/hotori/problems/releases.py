"""Problems of the edge program's own updates."""

from hotori.problems.kind import Kind, Severity, Words

RELEASE_FAILED = Kind(
    code="release-failed",
    title=Words(
        "The edge program {wanted} did not come up; {running} runs on",
        "エッジプログラム {wanted} が起動できず、{running} で動いています",
    ),
    cause=Words(
        "The version that the deployment names was tried, and taken back: {reason}. What it wrote last is the evidence. "
        "It is not tried again by itself.",
        "デプロイが指定したバージョンを試し、元に戻しました: {reason}。最後の出力が証拠です。自動では再試行しません。",
    ),
    remedy=Words(
        "Mend the release and name the new one in the deployment; or ask for this one again where the cause was "
        "somewhere else.",
        "リリースを直して新しいものをデプロイに指定してください。原因がほかにあった場合は、同じものをもう一度要求してください。",
    ),
    commands=("hotori edge update DEVICE IMAGE --again", "hotori edge logs --help"),
)

RELEASE_NOT_ONE = Kind(
    code="release-not-one",
    title=Words("{image} is no release of the edge program", "{image} はエッジプログラムのリリースではありません"),
    cause=Words(
        "The image that the deployment names for edgeAgent lacks the label org.hotori.release, or cannot be started: "
        "{reason}. The device goes on with the program that it has.",
        "デプロイが edgeAgent に指定したイメージにラベル org.hotori.release がないか、起動できません: {reason}。デバイスは"
        "現在のプログラムで動き続けます。",
    ),
    remedy=Words(
        "Name an image that `hotori edge release push` made, or one without a digest: that is left alone.",
        "`hotori edge release push` で作ったイメージを指定するか、ダイジェストのない名前にしてください（その場合は何もしません）。",
    ),
    commands=("hotori edge release push --help",),
    severity=Severity.WARNING,
)

RELEASE_WITHOUT_LAUNCHER = Kind(
    code="release-without-launcher",
    title=Words(
        "This edge program cannot update itself to {image}", "このエッジプログラムは {image} へ自動更新できません"
    ),
    cause=Words(
        "It was started by `hotori edge run`. Only `hotori edge launch` can start another version, and go back.",
        "`hotori edge run` で起動されています。別のバージョンの起動と復帰ができるのは `hotori edge launch` だけです。",
    ),
    remedy=Words(
        "Start it by `hotori edge launch` with the same options; `hotori edge install` writes a service that does.",
        "同じオプションで `hotori edge launch` から起動してください。`hotori edge install` のサービスはそうなっています。",
    ),
    commands=("hotori edge install",),
    severity=Severity.WARNING,
)

KINDS = (RELEASE_FAILED, RELEASE_NOT_ONE, RELEASE_WITHOUT_LAUNCHER)

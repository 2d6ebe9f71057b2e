"""What the agent meets while it keeps modules running: health checks that fail, calls that do not return."""

from __future__ import annotations

from hotori.problems.kind import Kind, Severity, Words

_LOGS = "hotori logs DEVICE {module} --tail 50"

MODULE_UNHEALTHY = Kind(
    code="module-unhealthy",
    title=Words(
        "{module} runs, and its own health check fails", "{module} は動いていますが、ヘルスチェックに失敗しています"
    ),
    cause=Words(
        "The health check that the image or createOptions name has failed too often in a row. What it wrote last is the "
        "evidence. Unless the restart policy is never, the module is restarted, after longer and longer waits.",
        "イメージか createOptions のヘルスチェックが続けて失敗しました。最後の出力が証拠です。再起動ポリシーが never で"
        "ない限り、待ち時間を延ばしながらモジュールを再起動します。",
    ),
    remedy=Words(
        "Read the check's words and the module's log, and mend the module or the check.",
        "ヘルスチェックの出力とモジュールのログを読み、モジュールかチェックを直してください。",
    ),
    commands=(_LOGS,),
)

MODULE_HEALTH_LATE = Kind(
    code="module-health-late",
    title=Words(
        "The health check of {module} has not passed within {seconds} s",
        "{module} のヘルスチェックが {seconds} 秒以内に成功していません",
    ),
    cause=Words(
        "Modules that start after it wait for its health check, and no longer than that: they are started now without it.",
        "後から起動するモジュールはこのチェックを待ちますが、待つのはこの時間までで、待たずに起動します。",
    ),
    remedy=Words(
        "Find out in its log why it takes so long, or shorten the interval and start period of the health check.",
        "時間がかかる理由をログで調べるか、ヘルスチェックの間隔と開始猶予を短くしてください。",
    ),
    commands=(_LOGS,),
    severity=Severity.WARNING,
)

AGENT_STUCK = Kind(
    code="agent-stuck",
    title=Words("The agent waited {seconds} s for: {call}", "エージェントが {seconds} 秒待ちました: {call}"),
    cause=Words(
        "That call did not return, so it was given up. It is made again. A container engine that hangs, or a disk that "
        "does not answer, is the usual cause.",
        "この呼び出しが戻らなかったため打ち切りました。もう一度行います。コンテナーエンジンの停止や、応答しない"
        "ディスクがよくある原因です。",
    ),
    remedy=Words(
        "If it comes again, look at the engine and the disk of the device, and restart the engine.",
        "繰り返す場合は、デバイスのエンジンとディスクを調べ、エンジンを再起動してください。",
    ),
    commands=("hotori edge check",),
)

KINDS: tuple[Kind, ...] = (MODULE_UNHEALTHY, MODULE_HEALTH_LATE, AGENT_STUCK)

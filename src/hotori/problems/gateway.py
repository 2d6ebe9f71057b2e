"""Problems of devices behind an edge device, and of edge devices behind one another."""

from hotori.problems.kind import Kind, Words

CHAIN_BROKEN = Kind(
    code="auth-chain-broken",
    title=Words("{actor} may not speak for {identity}", "{actor} は {identity} の代理になれません"),
    cause=Words(
        "An edge device speaks for those behind it, each the child of the next one in the chain. Here {reason}.",
        "エッジデバイスが代理になれるのは自分の配下だけで、チェーンでは後の要素が前の要素の親です。原因: {reason}。",
    ),
    remedy=Words(
        "See in the registry whose child each device is; remove it and add it again with the right parent.",
        "登録簿で各デバイスの親を確かめ、違っていれば削除してから正しい親を指定して追加し直してください。",
    ),
    commands=("hotori device show DEVICE", "hotori device add DEVICE --parent EDGE"),
)

IDENTITY_ELSEWHERE = Kind(
    code="identity-elsewhere",
    title=Words("{identity} does not stand behind {edge}", "{identity} は {edge} の配下にありません"),
    cause=Words(
        "An edge device serves its own modules, and the devices that have it as their parent in the registry.",
        "エッジデバイスが受け持つのは、自分のモジュールと、登録簿で自分を親とするデバイスだけです。",
    ),
    remedy=Words(
        "Connect the device to the edge device that is its parent, or add it again with {edge} as its parent.",
        "親のエッジデバイスに接続するか、{edge} を親に指定してデバイスを追加し直してください。",
    ),
    commands=("hotori device add DEVICE --parent '{edge}'",),
)

KINDS = (CHAIN_BROKEN, IDENTITY_ELSEWHERE)

"""Problems that `hotori edge check` finds before they hurt."""

from hotori.problems.kind import Kind, Severity, Words

DISK_SHORT = Kind(
    code="disk-short",
    title=Words("The disk of {path} has only {free} left", "{path} のディスクの空きは {free} だけです"),
    cause=Words(
        "Images, messages that wait and logs share this disk; when it is full, senders are held back.",
        "イメージ、送信待ちのメッセージ、ログがこのディスクを使います。満杯になると送信側は待たされます。",
    ),
    remedy=Words(
        "Make room, or move the data folder to a larger disk.",
        "空きを作るか、データフォルダーをより大きいディスクへ移してください。",
    ),
    commands=("du -xh --max-depth=1 {path}",),
    severity=Severity.WARNING,
)

AUTHORITY_ENDING = Kind(
    code="authority-ending",
    title=Words("The device's own authority ends on {end}", "デバイスの認証局の期限は {end} です"),
    cause=Words(
        "Modules and devices behind this one trust its certificates through this authority.",
        "モジュールと配下のデバイスは、この認証局を通してデバイスの証明書を信頼します。",
    ),
    remedy=Words(
        "Stop the device, move the folder authority away and start it: a new one is made. Give its certificate to the "
        "devices behind this one; modules get it by themselves.",
        "デバイスを止め、authority フォルダーを別の場所へ移して起動すると新しい認証局が作られます。配下のデバイスには"
        "その証明書を渡してください。モジュールは自動で受け取ります。",
    ),
    severity=Severity.WARNING,
)

CLOCK_OFF = Kind(
    code="clock-off",
    title=Words("The clock is {seconds} s away from the cloud's", "時計がクラウドと {seconds} 秒ずれています"),
    cause=Words(
        "Tokens and certificates are valid for a time, and this machine's clock says another: connections will be refused.",
        "トークンと証明書には有効期間があります。この機器の時計がずれているため、接続は拒否されます。",
    ),
    remedy=Words(
        "Let the clock be set over the network, and look whether the machine has a battery for it.",
        "ネットワークで時刻を合わせてください。時計用の電池も確認してください。",
    ),
    commands=("timedatectl set-ntp true", "date -u"),
)

DEPLOYMENT_NOT_APPLIED = Kind(
    code="deployment-not-applied",
    title=Words(
        "The last deployment is not in force: status {code}", "最後のデプロイが適用されていません（状態 {code}）"
    ),
    cause=Words("The device says: {description}.", "デバイスの説明: {description}。"),
    remedy=Words(
        "Mend what it names and deploy again; what ran before runs on.",
        "示された箇所を直して再度デプロイしてください。以前の内容は動き続けています。",
    ),
    commands=("hotori edge list",),
)

CONFIGURATION_INVALID = Kind(
    code="configuration-invalid",
    title=Words("The configuration {path} cannot be used", "設定 {path} は使えません"),
    cause=Words("What was found there: {reason}.", "見つかった内容: {reason}。"),
    remedy=Words(
        "Mend that place; what `hotori edge install` writes explains every setting.",
        "その箇所を直してください。`hotori edge install` が書くファイルに各設定の説明があります。",
    ),
    commands=("hotori edge config check --config {path}",),
)

CERTIFICATE_ENDING = Kind(
    code="certificate-ending",
    title=Words(
        "{name} has {percent} % of its life left, until {end}", "{name} の有効期間は残り {percent} %（{end} まで）です"
    ),
    cause=Words(
        "Certificates of an installation are renewed long before that, while everything runs. This one was not: whoever "
        "renews it has been stopped, or nobody does.",
        "証明書は通常、これよりずっと前に稼働したまま更新されます。更新元が止まっているか、更新されない証明書です。",
    ),
    remedy=Words(
        "See that the program that shows it runs and can write its folder; renew by hand what came from elsewhere.",
        "証明書を使うプログラムが動作し、フォルダーに書き込めることを確認してください。外部の証明書は手動で更新してください。",
    ),
    severity=Severity.WARNING,
)

CERTIFICATE_AT_ITS_END = Kind(
    code="certificate-at-its-end",
    title=Words(
        "{name} ends on {end}: {percent} % of its life are left", "{name} の期限は {end} です（残り {percent} %）"
    ),
    cause=Words(
        "It was not renewed when it should have been. After that day nobody who checks it will connect.",
        "更新されるべき時期に更新されませんでした。期限が過ぎると、検証する相手はすべて接続できなくなります。",
    ),
    remedy=Words(
        "Renew it now: restart the program that shows it, or replace the file where it came from elsewhere.",
        "今すぐ更新してください。証明書を使うプログラムを再起動するか、外部の証明書ならファイルを置き換えてください。",
    ),
)

WEBSOCKETS_BLOCKED = Kind(
    code="websockets-blocked",
    title=Words("No websocket gets through to {address}", "{address} に WebSocket で接続できません"),
    cause=Words(
        "HTTPS gets there, and a websocket was answered with: {answer}. A proxy or firewall on the way takes it apart.",
        "HTTPS は届きますが、WebSocket の応答は次のとおりです: {answer}。途中のプロキシかファイアウォールが妨げています。",
    ),
    remedy=Words(
        "It matters to clients that cannot use port 8883. Let whoever runs the network allow websockets to that address.",
        "ポート 8883 を使えないクライアントに影響します。ネットワークの管理者にこの宛先への WebSocket の許可を依頼してください。",
    ),
    severity=Severity.WARNING,
)

LIBSECCOMP_OLD = Kind(
    code="libseccomp-old",
    title=Words(
        "libseccomp {version} is too old for today's images", "libseccomp {version} は現在のイメージには古すぎます"
    ),
    cause=Words(
        "Container engines filter system calls with it, and before {wanted} it refuses the newer ones for the clock. "
        "Programs in new images then end at once: Python with 'can't initialize time'.",
        "エンジンはこれでシステムコールを制限しますが、{wanted} より前の版は時刻用の新しい呼び出しを拒否します。"
        "新しいイメージのプログラムはすぐ終了します（Python では「can't initialize time」）。",
    ),
    remedy=Words(
        "Install libseccomp {wanted} or newer on the device, and restart the engine.",
        "デバイスに libseccomp {wanted} 以降をインストールし、エンジンを再起動してください。",
    ),
    commands=("sudo apt-get install --only-upgrade libseccomp2",),
    severity=Severity.WARNING,
)

FORWARDING_OFF = Kind(
    code="forwarding-off",
    title=Words("This machine forwards no packets", "この機器はパケットを転送しません"),
    cause=Words(
        "net.ipv4.ip_forward is 0: containers reach each other and the hub, and nothing outside this machine.",
        "net.ipv4.ip_forward が 0 です。コンテナーは互いとハブには届きますが、機器の外には届きません。",
    ),
    remedy=Words("Switch it on, and see that it stays.", "有効にし、再起動後も有効であることを確認してください。"),
    commands=("sudo sysctl -w net.ipv4.ip_forward=1",),
)

PACKETS_TOO_LARGE = Kind(
    code="packets-too-large",
    title=Words(
        "The modules' network {network} sends packets of {size} bytes, and {interface} takes {limit}",
        "モジュールのネットワーク {network} のパケットは {size} バイトですが、{interface} の上限は {limit} です",
    ),
    cause=Words(
        "Small packets get out, so connections begin; large ones are lost where nobody tells the sender, so they hang. "
        "Mobile networks and VPNs have such limits.",
        "小さなパケットは通るため接続は始まりますが、大きなパケットは通知なく失われて停止します。"
        "モバイル回線や VPN にはこのような上限があります。",
    ),
    remedy=Words(
        "Make the network with that limit: stop the device, remove the network, make it again with the option, start.",
        "デバイスを止め、ネットワークを削除し、この上限を指定して作り直してから起動してください。",
    ),
    commands=(
        "docker network rm {network}",
        "docker network create --opt com.docker.network.driver.mtu={limit} {network}",
    ),
    severity=Severity.WARNING,
)

HUB_SHUT_TO_MODULES = Kind(
    code="hub-shut-to-modules",
    title=Words(
        "{module} cannot reach the edge hub at {address}", "{module} からエッジハブ {address} に接続できません"
    ),
    cause=Words(
        "A connection was tried from inside the module's network. The hub does not listen there, or this machine's "
        "firewall does not let the network in.",
        "モジュールのネットワークの中から接続を試しました。ハブが待ち受けていないか、この機器のファイアウォールが遮っています。",
    ),
    remedy=Words(
        "Start the device if it does not run; else allow that network to reach the port.",
        "デバイスが止まっていれば起動し、動いていればこのネットワークからポートへの通信を許可してください。",
    ),
    commands=("sudo iptables -S INPUT", "hotori edge list"),
)

MODULES_WITHOUT_NAMES = Kind(
    code="modules-without-names",
    title=Words("{module} finds no address for {name}", "{module} から {name} の名前を解決できません"),
    cause=Words(
        "Asked from inside the module's network, the name server {server} did not tell it. What this machine knows of "
        "names, containers do not: they ask the engine, which asks the servers that it was given.",
        "モジュールのネットワークの中から名前サーバー {server} に問い合わせましたが、得られませんでした。コンテナーは機器の"
        "設定ではなく、エンジンに設定された名前サーバーを使います。",
    ),
    remedy=Words(
        "Give the engine name servers that its networks can reach, or the module's createOptions HostConfig.Dns or "
        "HostConfig.ExtraHosts. A module that speaks to the edge hub only does not need it.",
        "ネットワークから届く名前サーバーをエンジンに設定するか、createOptions の HostConfig.Dns か HostConfig.ExtraHosts を"
        "指定してください。エッジハブとだけ通信するモジュールには不要です。",
    ),
    commands=("cat /etc/docker/daemon.json",),
    severity=Severity.WARNING,
)

KINDS = (
    CONFIGURATION_INVALID,
    DISK_SHORT,
    AUTHORITY_ENDING,
    CLOCK_OFF,
    DEPLOYMENT_NOT_APPLIED,
    CERTIFICATE_ENDING,
    CERTIFICATE_AT_ITS_END,
    WEBSOCKETS_BLOCKED,
    LIBSECCOMP_OLD,
    FORWARDING_OFF,
    PACKETS_TOO_LARGE,
    HUB_SHUT_TO_MODULES,
    MODULES_WITHOUT_NAMES,
)

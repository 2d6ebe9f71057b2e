"""Problems of addresses, ports and connections."""

from hotori.problems import connections, service
from hotori.problems.kind import Kind, Words

PORT_IN_USE = Kind(
    code="port-in-use",
    title=Words("Port {port} on {address} is taken", "{address} のポート {port} は使用中です"),
    cause=Words(
        "The {service} wants to listen there, but another program already does: {owner}.",
        "{service} がここで待ち受けようとしましたが、別のプログラムが使っています: {owner}。",
    ),
    remedy=Words(
        "End that program, or give this one another port or another loopback address.",
        "そのプログラムを終了するか、別のポートまたは別のループバックアドレスを指定してください。",
    ),
    commands=("ss -ltnp 'sport = :{port}'",),
)

PORT_FORBIDDEN = Kind(
    code="port-forbidden",
    title=Words("Port {port} needs more rights", "ポート {port} を開く権限がありません"),
    cause=Words(
        "Linux lets only privileged programs listen on ports below 1024.",
        "Linux では 1024 未満のポートで待ち受けるには特権が必要です。",
    ),
    remedy=Words(
        "Choose a port from 1024 upwards, or allow low ports on this machine.",
        "1024 以上のポートを選ぶか、この機械で小さい番号のポートを許可してください。",
    ),
    commands=("sudo sysctl net.ipv4.ip_unprivileged_port_start={port}",),
)

ADDRESS_UNAVAILABLE = Kind(
    code="address-unavailable",
    title=Words("This machine has no address {address}", "この機械にアドレス {address} はありません"),
    cause=Words(
        "A program can listen only on addresses of its own machine.",
        "プログラムは自分の機械のアドレスでしか待ち受けできません。",
    ),
    remedy=Words(
        "Use an address that the machine has; any 127.x.y.z works on Linux.",
        "機械が持つアドレスを使ってください。Linux では 127.x.y.z ならどれでも使えます。",
    ),
    commands=("ip -brief address",),
)

CLOUD_UNREACHABLE = Kind(
    code="cloud-unreachable",
    title=Words("The cloud at {address} does not answer", "クラウド {address} が応答しません"),
    cause=Words(
        "No connection could be made: {reason}.",
        "接続できませんでした: {reason}。",
    ),
    remedy=Words(
        "Check that the cloud runs, and that its name and port are right and reachable from here.",
        "クラウドが動いているか、名前とポートが正しくここから届くかを確認してください。",
    ),
    commands=("hotori cloud serve --data DIR",),
)

CERTIFICATE_UNTRUSTED = Kind(
    code="certificate-untrusted",
    title=Words("The certificate of {address} is not trusted", "{address} の証明書を信頼できません"),
    cause=Words(
        "The connection is encrypted, but the certificate shown does not fit: {reason}.",
        "通信は暗号化されていますが、提示された証明書が合いません: {reason}。",
    ),
    remedy=Words(
        "Give the authority file of the installation you mean (`ca` in its connect.json), and dial the name "
        "that the certificate is made out to.",
        "接続したい環境の認証局ファイル（connect.json の `ca`）を指定し、証明書に書かれた名前で接続してください。",
    ),
)

NO_CLOUD_CHOSEN = Kind(
    code="no-cloud-chosen",
    title=Words("No cloud to talk to", "接続するクラウドが指定されていません"),
    cause=Words(
        "Neither --cloud nor HOTORI_CLOUD names a connect.json, and no cloud was used before. Looked at: {looked}.",
        "--cloud も HOTORI_CLOUD も connect.json を示しておらず、以前に使ったクラウドもありません。確認先: {looked}。",
    ),
    remedy=Words(
        "Start a cloud, or name the data folder or connect.json of one that runs.",
        "クラウドを起動するか、動作中のクラウドのデータフォルダーまたは connect.json を指定してください。",
    ),
    commands=("hotori up", "hotori device list --cloud DIR"),
)

TLS_REQUIRED = Kind(
    code="tls-required",
    title=Words("{address}:{port} will not be served without TLS", "{address}:{port} は TLS なしでは公開できません"),
    cause=Words(
        "The address can be reached from other machines, and no certificate was given; passwords and pictures "
        "would cross the network in clear.",
        "このアドレスは他の機械から届きますが、証明書が指定されていません。パスワードや写真が平文で流れてしまいます。",
    ),
    remedy=Words(
        "Listen on a loopback address such as 127.0.0.1, or give a certificate.",
        "127.0.0.1 などのループバックアドレスで待ち受けるか、証明書を指定してください。",
    ),
)

KINDS = (
    PORT_IN_USE,
    PORT_FORBIDDEN,
    ADDRESS_UNAVAILABLE,
    CLOUD_UNREACHABLE,
    CERTIFICATE_UNTRUSTED,
    NO_CLOUD_CHOSEN,
    TLS_REQUIRED,
    *connections.KINDS,
    *service.KINDS,
)

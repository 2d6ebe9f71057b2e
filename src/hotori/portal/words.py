"""What the portal says, in English and Japanese. Templates name a phrase by its key; `{names}` are filled in."""

from __future__ import annotations

from collections.abc import Mapping

from hotori.problems import Language, Words

PHRASES: Mapping[str, Words] = {
    # The frame of every page
    "tagline": Words("By the water's edge", "水のほとりで"),
    "skip": Words("Skip to the content", "本文へ進む"),
    "menu": Words("Main menu", "メインメニュー"),
    "overview": Words("Overview", "概要"),
    "devices": Words("Devices", "デバイス"),
    "problems": Words("Problems", "問題"),
    "log-out": Words("Log out", "ログアウト"),
    "other-language": Words("日本語", "English"),
    # Logging in
    "log-in": Words("Log in", "ログイン"),
    "log-in-help": Words(
        "User name and password were shown when the cloud started; they are in its connect.json too.",
        "ユーザー名とパスワードはクラウドの起動時に表示されました。connect.json にも書かれています。",
    ),
    "user": Words("User name", "ユーザー名"),
    "password": Words("Password", "パスワード"),
    "log-in-failed": Words(
        "User name or password is not right. Copy both from the cloud's connect.json.",
        "ユーザー名またはパスワードが違います。クラウドの connect.json から写してください。",
    ),
    "ticket-failed": Words(
        "This login link was used already or is too old. Log in with user name and password, or ask for a new link.",
        "このログインリンクは使用済みか期限切れです。ユーザー名とパスワードでログインするか、新しいリンクを作ってください。",
    ),
    # Live parts
    "live": Words("Live", "受信中"),
    "paused": Words("Paused", "一時停止中"),
    "lost": Words("No connection; trying again", "接続が切れました。再接続しています"),
    "pause": Words("Pause", "一時停止"),
    "resume": Words("Resume", "再開"),
    # Overview
    "pictures": Words("Pictures", "写真"),
    "accuracy": Words("Right so far", "これまでの正解率"),
    "accuracy-of": Words("{right} of {judged}", "{judged} 件中 {right} 件"),
    "accuracy-none": Words("no true labels known", "正解ラベルなし"),
    "delay": Words("Delay", "遅れ"),
    "delay-median": Words("median, picture to cloud", "撮影からクラウドまでの中央値"),
    "pictures-classified": Words("classified on the device", "デバイス上で分類"),
    "devices-connected": Words("connected", "台が接続中"),
    "problems-open": Words("to look at", "件が未解決"),
    "latest": Words("Latest pictures", "最新の写真"),
    "nothing-yet": Words(
        "No pictures yet. They appear here as soon as a classifier's messages arrive.",
        "写真はまだありません。分類器のメッセージが届くとここに表示されます。",
    ),
    "nothing-chosen": Words("No picture fits this choice.", "この条件に合う写真はありません。"),
    "picture": Words("Picture", "写真"),
    "predicted": Words("Prediction", "予測"),
    "probability": Words("Probability", "確率"),
    "expected": Words("Expected", "正解"),
    "device": Words("Device", "デバイス"),
    "time": Words("Taken", "撮影"),
    "right": Words("right", "正解"),
    "wrong": Words("wrong", "不正解"),
    "unknown": Words("unknown", "不明"),
    "seconds": Words("{number} s", "{number} 秒"),
    # Choosing, sorting, paging
    "choose": Words("Choose what is shown", "表示の条件"),
    "all": Words("all", "すべて"),
    "label": Words("Label", "ラベル"),
    "verdict": Words("Result", "結果"),
    "sort": Words("Sort by", "並べ替え"),
    "newest": Words("newest first", "新しい順"),
    "oldest": Words("oldest first", "古い順"),
    "unsure": Words("least sure first", "確信の低い順"),
    "slowest": Words("slowest first", "遅い順"),
    "name": Words("Name", "名前"),
    "name-part": Words("Part of the name", "名前の一部"),
    "state": Words("State", "状態"),
    "apply": Words("Show", "表示"),
    "pages": Words("Pages", "ページ"),
    "page-of": Words("Page {page} of {pages}", "{page} / {pages} ページ"),
    "next": Words("Next", "次へ"),
    "previous": Words("Previous", "前へ"),
    # Devices
    "connected": Words("connected", "接続中"),
    "not-connected": Words("not connected", "未接続"),
    "disabled": Words("disabled", "無効"),
    "since": Words("since |", "|から"),
    "no-devices": Words("There are no devices yet.", "デバイスはまだありません。"),
    "no-devices-help": Words("Add one with this command:", "次のコマンドで追加できます:"),
    "modules": Words("Modules", "モジュール"),
    "modules-running": Words("{running} of {all} modules running", "モジュール {all} 個中 {running} 個が動作中"),
    "no-modules": Words(
        "The device has not reported any modules. Deploy a solution to it.",
        "デバイスからモジュールの報告がありません。ソリューションをデプロイしてください。",
    ),
    "deployment": Words("Deployment", "デプロイ"),
    "deployment-version": Words("version {version}", "バージョン {version}"),
    "deployment-none": Words("nothing was deployed yet", "まだデプロイされていません"),
    "image": Words("Image", "イメージ"),
    "messages": Words("Messages", "メッセージ"),
    "restarts": Words("Restarts", "再起動"),
    "running": Words("running", "動作中"),
    "backoff": Words("waiting to restart", "再起動待ち"),
    "stopped": Words("stopped", "停止"),
    "failed": Words("failed", "失敗"),
    "unhealthy": Words("unhealthy", "異常"),
    "pictures-of-device": Words("Its pictures", "このデバイスの写真"),
    # A module's log
    "log": Words("Log", "ログ"),
    "log-in-terminal": Words("The same in a terminal:", "端末では:"),
    "log-ended": Words("Ended", "終了しました"),
    "module-started": Words("the module has started", "モジュールが起動しました"),
    "module-waited-for": Words(
        "the module does not run ({state}); waiting for it to start",
        "モジュールは動いていません（{state}）。起動を待っています",
    ),
    # Picture
    "not-uploaded": Words(
        "The picture itself has not arrived. The uploader on the device sends it when the object store is reachable.",
        "写真本体がまだ届いていません。オブジェクトストアに届くようになると、デバイスのアップローダーが送ります。",
    ),
    "predictions": Words("All predictions", "すべての予測"),
    "no-prediction": Words("No prediction of this picture is kept.", "この写真の予測は残っていません。"),
    "details": Words("Details", "詳細"),
    "captured": Words("Taken at", "撮影時刻"),
    "arrived": Words("Arrived at", "到着時刻"),
    "module": Words("Module", "モジュール"),
    "model": Words("Model", "モデル"),
    "took": Words("Prediction took", "予測にかかった時間"),
    "milliseconds": Words("{number} ms", "{number} ミリ秒"),
    "trace": Words("Trace", "トレース"),
    "blob-name": Words("Name in the store", "ストア内の名前"),
    # Problems
    "hub-problems": Words("Problems of the cloud itself", "クラウド自身の問題"),
    "no-problems": Words("No problems are reported.", "報告されている問題はありません。"),
    "error": Words("error", "エラー"),
    "warning": Words("warning", "警告"),
    "severity": Words("Severity", "重大度"),
    "cause": Words("Cause", "原因"),
    "remedy": Words("What to do", "対処"),
    "commands": Words("Commands that help", "役に立つコマンド"),
    "evidence": Words("What was seen", "観測された内容"),
    "where": Words("Where", "場所"),
    # What cannot be shown
    "not-found": Words("There is no such page", "ページが見つかりません"),
    "not-found-help": Words(
        "What the address names is not here any more, or never was.",
        "このアドレスの内容は、もう存在しないか、初めから存在しません。",
    ),
    "to-overview": Words("Go to the overview", "概要へ戻る"),
}


class Phrases:
    """The phrases in one language: `say("page-of", page=1, pages=2)`."""

    def __init__(self, language: Language) -> None:
        self.language = language

    def __call__(self, key: str, **values: object) -> str:
        return PHRASES[key].in_language(self.language).format_map(values)

    def known(self, key: str) -> str:
        """The phrase, or the key itself: for words that devices report."""
        return self(key) if key in PHRASES else key

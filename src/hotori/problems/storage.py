"""Problems of disks and files."""

from hotori.problems.kind import Kind, Words

DISK_FULL = Kind(
    code="disk-full",
    title=Words("The disk under {path} is full", "{path} のディスクがいっぱいです"),
    cause=Words(
        "Writing failed with 'no space left on device'; {free} bytes are free. Nothing half-written was kept.",
        "「デバイスに空き領域がありません」で書き込みに失敗しました。空きは {free} バイトです。書きかけは残していません。",
    ),
    remedy=Words(
        "Free some space, or move the data folder to a larger disk; then start again.",
        "空きを作るか、データフォルダーを大きいディスクへ移してから、もう一度始めてください。",
    ),
    commands=("df -h {path}", "du -xh --max-depth=2 {path} | sort -h | tail"),
)

FILE_UNREADABLE = Kind(
    code="file-unreadable",
    title=Words("{path} cannot be read", "{path} を読めません"),
    cause=Words("The system says: {reason}.", "システムの応答: {reason}。"),
    remedy=Words("Check the path and its rights.", "パスと権限を確認してください。"),
    commands=("ls -l {path}",),
)

DATA_FOLDER_IN_USE = Kind(
    code="data-folder-in-use",
    title=Words("The data folder {path} is in use", "データフォルダー {path} は使用中です"),
    cause=Words(
        "Another process ({owner}) holds its lock; two programs on one folder would damage it.",
        "別のプロセス（{owner}）がロックしています。一つのフォルダーを二つのプログラムが使うと壊れます。",
    ),
    remedy=Words(
        "End the other one, or choose another folder.",
        "もう一方を終了するか、別のフォルダーを選んでください。",
    ),
)

KINDS = (DISK_FULL, FILE_UNREADABLE, DATA_FOLDER_IN_USE)

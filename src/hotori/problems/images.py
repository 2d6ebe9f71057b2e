"""Problems of images and registries."""

from hotori.problems.kind import Kind, Words

IMAGE_REFERENCE_INVALID = Kind(
    code="image-reference-invalid",
    title=Words("`{reference}` does not name an image", "`{reference}` はイメージの名前として正しくありません"),
    cause=Words(
        "An image is named REGISTRY/NAME:TAG or REGISTRY/NAME@sha256:DIGEST, and here {reason}.",
        "イメージは REGISTRY/NAME:TAG または REGISTRY/NAME@sha256:DIGEST の形で書きます。原因: {reason}。",
    ),
    remedy=Words(
        "Write it in that form, the name in lower case, as in 127.0.0.1:5000/camera:1.0.",
        "127.0.0.1:5000/camera:1.0 のように、名前を小文字にしてこの形で書いてください。",
    ),
)

KINDS = (IMAGE_REFERENCE_INVALID,)

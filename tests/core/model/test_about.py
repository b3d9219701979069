import json

import pytest

from core.model import about


def save(folder, tensors, name="model.safetensors"):
    header = json.dumps({k: {"dtype": "F32", "shape": v} for k, v in tensors.items()}).encode()
    (folder / name).write_bytes(len(header).to_bytes(8, "little") + header)


def test_a_folder_says_its_size_by_its_headers(tmp_path):
    save(tmp_path, {"a": [3, 4], "b": [5]}, "one.safetensors")
    save(tmp_path, {"c": [7]}, "two.safetensors")
    known = about.model(str(tmp_path))
    assert (known.parameters, known.here, known.licence) == (24, True, "")


@pytest.mark.parametrize("content", [b"", b"\xff" * 20, b"\x02" + b"\0" * 7 + b"[]", b"x" * 9])
def test_a_file_that_is_no_weights_says_nothing(tmp_path, content):
    (tmp_path / "model.safetensors").write_bytes(content)
    assert about.parameters(str(tmp_path)) is None


@pytest.mark.parametrize(
    ("file", "text", "licence"),
    [
        ("README.md", "---\nlanguage: en\nlicense: apache-2.0\n---\n# Model\n", "apache-2.0"),
        ("README.md", "# Model\nlicense: mit\n", ""),
        ("README.md", '---\nlicense: "mit"\n---\n', "mit"),
        ("LICENSE", "MIT License\n\nCopyright", "mit"),
        ("LICENSE.txt", "Do as you like", "see LICENSE.txt"),
        ("README.md", b"\xff\xfe---\nlicense: x\n---", ""),
    ],
)
def test_the_licence_is_that_of_the_card_or_the_file(tmp_path, file, text, licence):
    (tmp_path / file).write_bytes(text if isinstance(text, bytes) else text.encode())
    assert about.licence(str(tmp_path)) == licence


def test_what_the_lists_offer_is_known_without_a_network():
    known = about.model("microsoft/phi-2")
    assert (known.parameters, known.licence, known.here) == (2_780_000_000, "mit", False)
    assert about.model("scratch:tiny").here
    assert about.model("no/such-model") == about.ModelLine("no/such-model", None, "", False)
    assert about.model("shrink:nonsense").parameters is None

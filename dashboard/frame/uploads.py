"""Uploads: kept in the workspace under their content, so that two files are never taken for one."""

from __future__ import annotations

import contextlib
import hashlib
import os
import pathlib
import re
import secrets
import unicodedata
from typing import IO

import streamlit as st

from core.dataset.readers import FILE_TYPES, SUFFIXES
from core.workspace.files import explain_os_error, rename, sha256_file
from core.workspace.roles import NotAllowed, editors
from dashboard.frame import allowed, state
from dashboard.frame.page_words import plain_words

BLOCK = 2**22
"""Bytes read at once."""
LONGEST = 200
"""Bytes of a file's name; file systems take 255, and a temporary name needs some."""
SUFFIX = re.compile(r"(\.[A-Za-z0-9]{1,10}){1,2}$")
UNSEEN = ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")
"""Categories of characters: control, direction, half a pair, private, unknown, line ends."""


def ask(key: str, suffixes: tuple[str, ...] = SUFFIXES) -> str:
    """Ask for an upload, keep it in the workspace and return its path; "" where there is none."""
    file = st.file_uploader(
        f"A {FILE_TYPES if suffixes == SUFFIXES else ', '.join(suffixes)} file, at most "
        f"{st.get_option('server.maxUploadSize'):,} MB",
        type=[suffix[1:] for suffix in suffixes],
        key=f"{key}:file",
    )
    if file is None:
        return ""
    stored = f"{key}:stored"
    id, path = st.session_state.get(stored, ("", ""))
    if id != file.file_id or not pathlib.Path(path).is_file():
        try:
            path = str(store(state.workspace().root / allowed.UPLOADS, file.name, file))
        except NotAllowed as e:
            st.error(plain_words(e), icon=":material/error:")
            return ""
        except OSError as e:
            problem = f"The file could not be kept: {explain_os_error(e)}"
            st.error(plain_words(problem), icon=":material/error:")
            return ""
        st.session_state[stored] = (file.file_id, path)
    return str(path)


@editors("upload")
def store(folder: pathlib.Path, name: str, file: IO[bytes]) -> pathlib.Path:
    """Keep a file as `<hash of its content>/<name>` and return the path.

    Content that is there under another name is linked to, not stored again.

    Args:
        file: Read from its beginning, in blocks.

    Raises:
        OSError: the disk is full or cannot be written; nothing is left.
    """
    folder.mkdir(parents=True, exist_ok=True)
    temp = folder / f".{secrets.token_hex(8)}"
    digest = hashlib.sha256()
    try:
        file.seek(0)
        with temp.open("wb") as out:
            while block := file.read(BLOCK):
                digest.update(block)
                out.write(block)
            out.flush()
            os.fsync(out.fileno())
        place = folder / digest.hexdigest()[:32]
        place.mkdir(exist_ok=True)
        for known in sorted(place.iterdir()):
            if known.is_file() and sha256_file(known) == digest.hexdigest():
                _link(known, temp)
                break
        target = place / file_name(name)
        rename(temp, target)  # does nothing where both are links to one file
        return target
    finally:
        temp.unlink(missing_ok=True)


def _link(known: pathlib.Path, temp: pathlib.Path) -> None:
    """Make `temp` a second name of a file of the same content, where the file system can."""
    link = temp.with_name(f"{temp.name}.link")
    with contextlib.suppress(OSError):
        os.link(known, link)
        link.replace(temp)


def file_name(name: str) -> str:
    """Return a name that is one part of a path: no folders, nothing that cannot be seen, not long.

    Suffixes are kept where a name is cut, as files are read by them.
    """
    shown = "".join(c for c in name if unicodedata.category(c) not in UNSEEN)
    last = unicodedata.normalize("NFC", shown).replace("\\", "/").rpartition("/")[2].strip()
    rest = last.lstrip(". ")
    if rest and last.startswith(".") and "." not in rest:  # a suffix alone
        rest = f"upload.{rest}"
    suffixes = match[0] if (match := SUFFIX.search(rest)) else ""
    stem = rest.removesuffix(suffixes).encode()[: LONGEST - len(suffixes)].decode(errors="ignore")
    return (stem.rstrip() + suffixes) or "upload"

#!/usr/bin/env bash
# Write the lock files: every package that requirements*.txt bring on any platform, by hash.
# torch is left out with what its build brings (CUDA): which build is right depends on the machine,
# and each index has its own. requirements.txt pins its version.
set -euo pipefail
uv="${VENV:-.venv}/bin/uv"
names() { grep -oE '^[a-z0-9][a-z0-9._-]*' "$@" | sort -u; }
lock() {  # lock FILE OUT [locked files, which are not repeated]
  local without=(--no-emit-package torch --no-emit-package triton) known=() found
  found=$("$uv" pip compile "$1" --universal --python-version 3.11 --no-header --no-annotate -q)
  for name in $(names <<<"$found" | grep -E '^(nvidia|cuda)-' || true); do
    without+=(--no-emit-package "$name")
  done
  for file in "${@:3}"; do
    known+=(-c "$file")
    for name in $(names "$file"); do without+=(--no-emit-package "$name"); done
  done
  "$uv" pip compile "$1" --universal --python-version 3.11 --generate-hashes --no-header \
    --no-annotate --no-emit-index-url --no-emit-find-links -q "${known[@]}" "${without[@]}" -o "$2"
}
lock requirements.txt requirements.lock
lock requirements-dev.txt requirements-dev.lock requirements.lock
lock requirements-cluster.txt requirements-cluster.lock requirements.lock

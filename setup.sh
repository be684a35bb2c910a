#!/usr/bin/env bash
# Makes .venv and installs Concordat into it: ./setup.sh [cpu|gpu] [dev]. Running it again brings it up to date.
#   cpu (default)  torch without CUDA        gpu  torch with CUDA        dev  what the tests and checks need as well
set -euo pipefail
cd "$(dirname "$0")"

build=cpu
extras=plot
for word in "$@"; do
  case "$word" in
    cpu | gpu) build=$word ;;
    dev) extras=dev ;;
    *) echo "setup.sh: unknown word '$word'; use cpu or gpu, and dev" >&2; exit 2 ;;
  esac
done

python=${PYTHON:-python3}
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
  echo "setup.sh: $($python --version) is too old; Concordat needs Python 3.11 or newer (set PYTHON=...)" >&2
  exit 2
}
if ! .venv/bin/python -m pip --version >/dev/null 2>&1; then
  rm -rf .venv
  if ! "$python" -m venv .venv >/dev/null 2>&1; then
    # Debian and Ubuntu leave pip and venv out of their Python.
    rm -rf .venv
    echo "setup.sh: this Python has no venv module; installing Debian's package for it" >&2
    if [ "$(id -u)" = 0 ]; then as_root=(); else as_root=(sudo); fi
    package="python$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')-venv"
    "${as_root[@]}" apt-get update -q >/dev/null
    "${as_root[@]}" apt-get install -y -q "$package" >/dev/null
    "$python" -m venv .venv
  fi
fi

index=()
if [ "$build" = cpu ]; then
  # torch's own index has the build without CUDA; where it cannot be reached, pip passes it over.
  index=(--extra-index-url https://download.pytorch.org/whl/cpu)
fi
echo "setup.sh: installing into .venv (${build}${extras:+, $extras}); a few minutes the first time" >&2
.venv/bin/python -m pip install --quiet --disable-pip-version-check --retries 1 "${index[@]}" -e ".[$build,$extras]"

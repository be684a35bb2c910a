#!/usr/bin/env bash
# Makes .venv and installs Concordat into it: ./setup.sh [cpu|gpu] [dev] [train] [survey] [serve] [bargain] [vllm].
# Running it again brings it up to date.
#   cpu (default)  torch without CUDA
#   gpu            torch with CUDA
#   dev            what the tests and checks need as well
#   train          learning curves of trainings in TensorBoard
#   survey         survey files of SPSS
#   serve          the endpoint and its page
#   bargain        learned best responses of bargaining
#   vllm           models that vLLM runs on GPUs (with gpu)
set -euo pipefail
cd "$(dirname "$0")"

build=cpu
base=plot
more=
for word in "$@"; do
  case "$word" in
    cpu | gpu) build=$word ;;
    dev) base=dev ;;
    train | survey | serve | bargain | vllm) more=$more,$word ;;
    *) echo "setup.sh: unknown word '$word'; use cpu or gpu, and any of dev, train, survey, serve, bargain and vllm" >&2; exit 2 ;;
  esac
done
extras=$base$more
if [ "$build" = cpu ] && [[ $more = *vllm* ]]; then
  echo "setup.sh: vllm brings a torch with CUDA; use it with gpu: ./setup.sh gpu vllm" >&2
  exit 2
fi

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

pip=(.venv/bin/python -m pip install --quiet --disable-pip-version-check)
echo "setup.sh: installing into .venv ($build, $extras); a few minutes the first time" >&2
if [ "$build" = cpu ]; then
  # The release that the extra `cpu` names, from torch's own index of builds without CUDA. Where that cannot be reached, the
  # configured index gives the build it has.
  torch=$(sed -n 's/^cpu = \["\(torch==[^"]*\)".*/\1/p' pyproject.toml)
  if ! .venv/bin/python -c "import importlib.metadata as m, sys; sys.exit(m.version('torch').split('+')[0] != '${torch#*==}')" 2>/dev/null; then
    "${pip[@]}" --retries 0 --timeout 20 --index-url https://download.pytorch.org/whl/cpu "$torch" 2>/dev/null || {
      echo "setup.sh: torch's index of CPU builds is out of reach; taking $torch from the configured index" >&2
      "${pip[@]}" "$torch"
    }
  fi
fi
"${pip[@]}" -e ".[$build,$extras]"

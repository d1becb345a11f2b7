#!/bin/sh
# The environment of `make attack-check`: two libraries of adversarial attacks beside the packages of the project, which
# they must not change.
#   sh tools/attack_env.sh FOLDER THE_PROJECTS_ENVIRONMENT
set -eu
venv=${1:?the folder of the environment}
own=$(cd "${2:?the environment of the project}" && pwd -P)
[ -f "$venv/.ready" ] && exit 0
"${PYTHON:-python3}" -m venv "$venv"
site=$("$venv/bin/python" -c 'import sysconfig; print(sysconfig.get_paths()["purelib"])')
"$own/bin/python" -c 'import sysconfig; print(sysconfig.get_paths()["purelib"])' > "$site/project.pth"
"$venv/bin/python" -m pip install -q --no-deps torchattacks==3.5.1 adversarial-robustness-toolbox==1.20.1 2>&1 | grep -v -e '^WARNING: Location' -e notice || true
touch "$venv/.ready"

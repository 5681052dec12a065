# Sourced by the set-up scripts, with SCRIPT set to the name they go by: Debian packages by name, so that nothing
# starts on this machine because it was installed.

# missing_packages "command=package …": prints the packages whose commands are not there, each after a blank.
missing_packages() {
  for need in $1; do
    command -v "${need%%=*}" >/dev/null 2>&1 || printf ' %s' "${need#*=}"
  done
}

# install_packages " package …" "unit package=unit …": installs and leaves the units disabled; as root only, otherwise it says what to do and exits.
install_packages() {
  [ -n "$1" ] || return 0
  if [ "$(id -u)" != 0 ]; then
    echo "$SCRIPT: these Debian packages are missing:$1" >&2
    echo "$SCRIPT: run as root once, or: sudo apt-get install$1" >&2
    exit 1
  fi
  echo "$SCRIPT: installing Debian packages:$1"
  policy=/usr/sbin/policy-rc.d
  made=
  if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
    made=1
  fi
  trap '[ -z "$made" ] || rm -f "$policy"' EXIT INT TERM
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -qq
  # shellcheck disable=SC2086
  apt-get install -y -qq --no-install-recommends $1 >/dev/null
  [ -z "$made" ] || rm -f "$policy"
  trap - EXIT INT TERM
  if [ -d /run/systemd/system ]; then
    for unit in $2; do
      case "$1" in *"${unit%%=*}"*) systemctl disable -q "${unit#*=}" 2>/dev/null || true ;; esac
    done
  fi
}

#!/bin/sh
# What the suites against a real API server need beside deploy/setup.sh: the server itself, as the lab finds or builds it; containerd
# and runc from Debian; and, built once with Go, what asks containerd through CRI, for Debian 12 has no crictl.
set -eu
cd "$(dirname "$0")/../.."
SCRIPT=test/cluster
export SCRIPT
sh src/lab/api/setup.sh

. deploy/apt.sh
PATH="$PATH:/usr/sbin:/sbin"
packages=$(missing_packages 'containerd=containerd runc=runc gcc=gcc')
[ -e /usr/lib/cni/loopback ] || packages="$packages containernetworking-plugins"
install_packages "$packages" 'containerd'

cache=${XDG_CACHE_HOME:-$HOME/.cache}/tortie
cri=$cache/cri-$(cat test/cluster/cri/main.go test/cluster/go.sum | sha256sum | cut -c1-12)
if [ ! -x "$cri" ]; then
  if ! command -v go >/dev/null 2>&1; then
    echo "$SCRIPT: no Go to build test/cluster/cri with, which asks containerd through CRI. Install Go, see test/cluster/go.mod." >&2
    exit 1
  fi
  echo "$SCRIPT: building cri; once, some seconds"
  mkdir -p "$cache"
  (cd test/cluster && CGO_ENABLED=0 go build -buildvcs=false -trimpath -ldflags '-s -w' -o "$cri.$$" ./cri)
  mv "$cri.$$" "$cri"
fi
ln -sfn "$(readlink -f "$cri")" node_modules/.cache/tortie-cluster/cri

# Whom the CNI plugin is chained with: Debian's containernetworking-plugins, unpacked; portmap calls iptables.
install_packages "$(missing_packages 'iptables=iptables')" ''
sh test/bench/setup.sh

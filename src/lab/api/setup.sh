#!/bin/sh
# A kube-apiserver and what it needs: etcd and openssl from Debian by package name, and the server itself, which Debian has not:
# from $KUBEBUILDER_ASSETS, the PATH or the cache, else built once with Go from the module that test/cluster/go.mod pins.
# node_modules/.cache/tortie-cluster says where it is. Prints what it installs or builds; quick and silent when all is there.
set -eu
cd "$(dirname "$0")/../../.."
: "${SCRIPT=lab}"

. deploy/apt.sh
PATH="$PATH:/usr/sbin:/sbin"
install_packages "$(missing_packages 'etcd=etcd-server etcdctl=etcd-client openssl=openssl')" 'etcd'

version=1.36.3
cache=${XDG_CACHE_HOME:-$HOME/.cache}/tortie
built=$cache/kube-apiserver-$version

build() {
  if ! command -v go >/dev/null 2>&1; then
    echo "$SCRIPT: no kube-apiserver in \$KUBEBUILDER_ASSETS, the PATH or $cache, and no Go to build one." >&2
    echo "$SCRIPT: install Go (see test/cluster/go.mod for the version), or set KUBEBUILDER_ASSETS." >&2
    exit 1
  fi
  if [ ! -e test/cluster/go.mod ]; then
    echo "$SCRIPT: no kube-apiserver in \$KUBEBUILDER_ASSETS, the PATH or $cache, and no test/cluster/go.mod to build one from." >&2
    echo "$SCRIPT: set KUBEBUILDER_ASSETS, or work in a whole checkout." >&2
    exit 1
  fi
  echo "$SCRIPT: building kube-apiserver $version with $(go version | cut -d' ' -f3); once, some minutes"
  mkdir -p "$cache"
  # Its own version goes in as the makers do it: the server says and compares it.
  stamp=k8s.io/component-base/version
  (cd test/cluster && CGO_ENABLED=0 go build -buildvcs=false -trimpath -o "$built.$$" \
    -ldflags "-s -w -X $stamp.gitVersion=v$version -X $stamp.gitMajor=1 -X $stamp.gitMinor=36" \
    k8s.io/kubernetes/cmd/kube-apiserver)
  mv "$built.$$" "$built"
  echo "$SCRIPT: built $built"
}

find_server() {
  if [ -n "${KUBEBUILDER_ASSETS:-}" ] && [ -x "$KUBEBUILDER_ASSETS/kube-apiserver" ]; then
    server=$KUBEBUILDER_ASSETS/kube-apiserver
  elif command -v kube-apiserver >/dev/null 2>&1; then
    server=$(command -v kube-apiserver)
  else
    [ -x "$built" ] || build
    server=$built
  fi
}

find_server
mkdir -p node_modules/.cache/tortie-cluster
ln -sfn "$(readlink -f "$server")" node_modules/.cache/tortie-cluster/kube-apiserver

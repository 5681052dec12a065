#!/bin/sh
# What the suite against a real API server needs beside deploy/setup.sh: etcd and openssl from Debian, and a
# kube-apiserver, which Debian has not. It is found, or built once with Go; node_modules/.cache says where it is.
set -eu
cd "$(dirname "$0")/../.."
SCRIPT=test/cluster

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

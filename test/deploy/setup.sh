#!/bin/sh
# What the deployment suite needs beside deploy/setup.sh and test/cluster/setup.sh: promtool and mmdebstrap from Debian by
# package name; helm and kubectl from the PATH or the cache, else built once with Go from the modules that test/deploy/go.mod
# and test/cluster/go.mod pin. node_modules/.cache/tortie-deploy links to them. With names it provides those only:
# `sh test/deploy/setup.sh kubectl`. `rootfs` is the image's root filesystem, made anew each time. Prints what it installs or builds; quick and silent when all is there.
set -eu
cd "$(dirname "$0")/../.."
SCRIPT=test/deploy

. deploy/apt.sh
PATH="$PATH:/usr/sbin:/sbin"
cache=${XDG_CACHE_HOME:-$HOME/.cache}/tortie
links=node_modules/.cache/tortie-deploy
helm=3.21.4
kubernetes=1.36.3

# build NAME VERSION MODULE PACKAGE LDFLAGS: a Go program of a pinned module into the cache.
build() {
  if ! command -v go >/dev/null 2>&1; then
    echo "$SCRIPT: no $1 in the PATH or $cache, and no Go to build one: install $1, or Go (see $3/go.mod for the version)." >&2
    exit 1
  fi
  echo "$SCRIPT: building $1 $2 with $(go version | cut -d' ' -f3); once, some minutes"
  mkdir -p "$cache"
  (cd "$3" && CGO_ENABLED=0 go build -buildvcs=false -trimpath -ldflags "-s -w $5" -o "$cache/$1-$2.$$" "$4")
  mv "$cache/$1-$2.$$" "$cache/$1-$2"
  echo "$SCRIPT: built $cache/$1-$2"
}

# provide NAME VERSION MODULE PACKAGE LDFLAGS: links NAME, found or built.
provide() {
  if command -v "$1" >/dev/null 2>&1; then
    found=$(command -v "$1")
  else
    [ -x "$cache/$1-$2" ] || build "$@"
    found=$cache/$1-$2
  fi
  mkdir -p "$links"
  ln -sfn "$found" "$links/$1"
}

packages=
for tool in ${*:-promtool capsh helm kubectl rootfs}; do
  case $tool in
  promtool) packages="$packages promtool=prometheus" ;;
  capsh) packages="$packages capsh=libcap2-bin" ;;
  rootfs) packages="$packages mmdebstrap=mmdebstrap" ;;
  helm)
    stamp="-X helm.sh/helm/v3/internal/version.version=v$helm"
    provide helm "$helm" test/deploy helm.sh/helm/v3/cmd/helm "$stamp"
    ;;
  kubectl)
    stamp="-X k8s.io/component-base/version.gitVersion=v$kubernetes"
    provide kubectl "$kubernetes" test/cluster k8s.io/kubernetes/cmd/kubectl "$stamp"
    ;;
  *)
    echo "$SCRIPT: there is no tool \"$tool\": promtool, capsh, helm, kubectl, rootfs." >&2
    exit 2
    ;;
  esac
done
install_packages "$(missing_packages "$packages")" 'prometheus'
case " ${*:-rootfs} " in
*' rootfs '*) sh deploy/rootfs.sh "$links/rootfs" ;;
esac

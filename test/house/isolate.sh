#!/bin/sh
# Runs a command in network and mount namespaces of its own, so that no test can touch the machine's network and
# whatever a test forgets goes with the last process. Without root a user namespace gives the same.
set -eu
inside='
  mount --make-rprivate /
  mkdir -p /run/netns 2>/dev/null || mount -t tmpfs tmpfs /run
  mkdir -p /run/netns
  mount -t tmpfs tmpfs /run/netns
  mount -t sysfs sysfs /sys 2>/dev/null || true
  ip link set lo up
  exec "$@"'
if [ "$(id -u)" = 0 ]; then
  exec unshare --net --mount sh -euc "$inside" isolate "$@"
fi
exec unshare --user --map-root-user --net --mount sh -euc "$inside" isolate "$@"

#!/bin/sh
# Whom the CNI bench compares with: Debian's ptp and host-local, unpacked beside the npm packages, not installed.
# Outside the namespaces of the bench, which have no network. Without apt the bench says that it is not available.
set -u
cd "$(dirname "$0")/../.."
keep=node_modules/.cache/tortie-bench
package=containernetworking-plugins
[ -x "$keep/usr/lib/cni/ptp" ] && exit 0
mkdir -p "$keep"
got=$(mktemp -d)
trap 'rm -rf "$got"' EXIT INT TERM
chmod 755 "$got"
if (cd "$got" && { apt-get download -qq "$package" || { apt-get update -qq && apt-get download -qq "$package"; }; }) >/dev/null 2>&1; then
  dpkg-deb -x "$got"/*.deb "$keep"
else
  echo "bench: $package cannot be fetched by apt-get; the CNI bench runs without it"
fi

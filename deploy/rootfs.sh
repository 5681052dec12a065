#!/bin/sh
# The root filesystem that the containers of the DaemonSet run in, made without a container engine or registry:
#
#   sh deploy/rootfs.sh DIRECTORY
#
# A few Debian packages (mmdebstrap, no maintainer script runs), Node.js as the npm package `node` brings it, the production
# dependencies of package-lock.json, our tree, the addon and the CNI plugin. No compiler, no npm, no package manager.
# The addon and the plugin are those of this checkout (`npm run setup` builds them), so it is for this machine's architecture.
# Needs root or a user namespace, mmdebstrap, npm, and the network. DIRECTORY is replaced once the new one is whole.
set -eu
[ $# = 1 ] || { echo 'usage: sh deploy/rootfs.sh DIRECTORY' >&2; exit 2; }
mkdir -p "$(dirname "$1")"
target=$(cd "$(dirname "$1")" && pwd)/$(basename "$1")
cd "$(dirname "$0")/.."

suite=${TORTIE_SUITE:-bookworm}
# dash, coreutils: for tortie.sh; nftables, iptables, ipset: what felix writes rules with; the rest is what node is linked with.
packages=dash,coreutils,nftables,iptables,ipset,libc6,libstdc++6,libgcc-s1

for built in src/kernel/native/tortie.node src/cni/tortie; do
  [ -e "$built" ] || { echo "rootfs: $built is not built; run: npm run setup" >&2; exit 1; }
done

# Not beside DIRECTORY: npm refuses to install below a folder node_modules.
new=$(mktemp -d)
trap 'rm -rf "$new"' EXIT
chmod 755 "$new"
mmdebstrap --quiet --variant=extract --include="$packages" "$suite" "$new"

# What is not needed to run: documentation, lists and the package database.
rm -rf "$new/usr/share/doc" "$new/usr/share/man" "$new/usr/share/locale" "$new/usr/share/info" "$new/usr/share/lintian" \
  "$new/usr/share/bash-completion" "$new/var/lib/apt" "$new/var/lib/dpkg" "$new/var/cache" "$new/var/log" "$new/etc/apt"
rm -f "$new"/usr/bin/dpkg* "$new"/usr/sbin/dpkg* "$new"/usr/bin/update-alternatives
printf 'root:x:0:0:root:/:/usr/sbin/nologin\nnonroot:x:65532:65532:nonroot:/:/usr/sbin/nologin\n' >"$new/etc/passwd"
printf 'root:x:0:\nnonroot:x:65532:\n' >"$new/etc/group"
# The mount points of the DaemonSet and of its service account, for a root filesystem that is read-only.
mkdir -p "$new/run/tortie" "$new/run/netns" "$new/run/secrets/kubernetes.io/serviceaccount" "$new/var/lib/tortie" \
  "$new/host/opt/cni/bin" "$new/host/etc/cni/net.d" "$new/host/proc/sys" "$new/proc" "$new/sys" "$new/dev" "$new/tmp" "$new/usr/local/bin"
chmod 1777 "$new/tmp"
[ -e "$new/var/run" ] || ln -s /run "$new/var/run"

app=$new/opt/tortie
mkdir -p "$app"
cp package.json package-lock.json .npmrc LICENSE "$app/"
cp -R src bgp felix "$app/"
npm --prefix "$app" ci --omit=dev --no-fund --no-audit --loglevel=error >/dev/null
# The headers were for building; node is there twice, as its installer links it.
rm -rf "$app/package-lock.json" "$app/.npmrc" "$app/node_modules/node-api-headers" "$app/node_modules/node/node_modules"
ln -s ../../../opt/tortie/src/tortie.sh "$new/usr/local/bin/tortie"
ln -s ../../../opt/tortie/src/tortie.sh "$new/usr/local/bin/tortiectl"

# Compiled once here: a container cannot write beside the code, and a start that strips types costs twice the time.
for room in bgp felix ctl; do
  env -i PATH=/usr/local/bin:/usr/bin:/usr/sbin:/bin chroot "$new" /usr/local/bin/tortie "$room" --help >/dev/null
done
# And what a daemon loads only once it reads the datastore: else each would keep what strips types, 20 MB, for its whole life.
# With the same flags as they have, or V8 would not take it.
for daemon in speaker agent; do
  flags=$(sed -n "s/^$daemon='\(.*\)'$/\1/p" src/tortie.sh)
  # shellcheck disable=SC2086 # several words
  env -i PATH=/usr/local/bin:/usr/bin:/usr/sbin:/bin NODE_COMPILE_CACHE=/opt/tortie/node_modules/.cache/tortie \
    chroot "$new" /opt/tortie/node_modules/.bin/node $flags --input-type=module -e '
      import { globSync } from "node:fs";
      for (const file of globSync("/opt/tortie/src/store/**/*.ts")) await import(file);
    '
done

rm -rf "$target"
mv "$new" "$target"

#!/bin/sh
# What a fresh Debian machine needs to build Tortie, run the lab and pass the tests: Debian packages by name, npm
# packages by lockfile, and the two small C pieces. Prints what it installs; says nothing and is quick when all is there.
set -eu
cd "$(dirname "$0")/.."

# command=package: a package is missing when its command is.
needs='
nft=nftables ip=iproute2 gcc=gcc nsenter=util-linux
birdc=bird2 vtysh=frr gobgpd=gobgpd gobgp=gobgpd
iptables-nft-save=iptables ipset=ipset
tshark=tshark socat=socat bgpdump=bgpdump pmbmpd=pmacct
'
PATH="$PATH:/usr/sbin:/sbin:/usr/lib/frr"
SCRIPT=setup
. deploy/apt.sh
packages=$(missing_packages "$needs")
# Names of protocols, for nft's listings and socat; a slim image lacks them.
[ -e /etc/protocols ] || packages="$packages netbase"
[ -e /usr/include/stdio.h ] || packages="$packages libc6-dev"
# The routers are for the lab's own namespaces.
install_packages "$packages" 'bird frr gobgpd pmacct=pmacctd pmacct=nfacctd pmacct=sfacctd pmacct=uacctd'

stamp=node_modules/.tortie-lock
if ! cmp -s package-lock.json "$stamp" 2>/dev/null; then
  echo "setup: installing npm packages of package-lock.json"
  npm ci --no-fund --no-audit --loglevel=error
  cp package-lock.json "$stamp"
fi

sh src/kernel/native/build.sh
sh src/cni/build.sh

#!/bin/sh
# Whom the interop suite speaks with, beside what deploy/setup.sh brings: OpenBGPD and ExaBGP, from Debian, never started
# by it. Prints what it installs; says nothing and is quick when all is there.
set -eu
cd "$(dirname "$0")/../.."
SCRIPT=test/interop
. deploy/apt.sh
PATH="$PATH:/usr/sbin:/sbin:/usr/lib/frr"
install_packages "$(missing_packages 'birdc=bird2 vtysh=frr gobgpd=gobgpd bgpctl=openbgpd exabgp=exabgp tshark=tshark')" \
  'bird frr gobgpd openbgpd exabgp'
# Where bgpd locks itself into; systemd would make it.
[ -d /run/openbgpd ] || [ "$(id -u)" != 0 ] || mkdir -m 755 /run/openbgpd

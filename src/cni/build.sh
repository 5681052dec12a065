#!/bin/sh
# Builds src/cni/tortie, the CNI plugin, if it is missing or older than its source. Needs gcc and a static libc.
set -eu
cd "$(dirname "$0")"
if [ -x tortie ] && [ ! tortie.c -nt tortie ]; then exit 0; fi
gcc -static -Os -s -Wall -Wextra -Werror -o "tortie.$$" tortie.c
mv "tortie.$$" tortie

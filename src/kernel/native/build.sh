#!/bin/sh
# Compiles the addon next to its source, if it is missing or older than the source. Needs gcc (or CC) and the N-API headers
# that `npm ci` brings; node-gyp is not needed.
set -eu
here=$(CDPATH= cd -- "$(dirname -- "$0")" && pwd)
source="$here/tortie.c"
target="$here/tortie.node"
headers="$here/../../../node_modules/node-api-headers/include"

if [ -f "$target" ] && [ -z "$(find "$source" -newer "$target")" ]; then
  exit 0
fi
if [ ! -f "$headers/node_api.h" ]; then
  echo "native addon: N-API headers are missing; run 'npm ci' first" >&2
  exit 1
fi
# Written aside and renamed: a process that has the old one mapped keeps it, and two builds at once do no harm.
"${CC:-gcc}" -std=c11 -O2 -Wall -Wextra -Werror -shared -fPIC -I"$headers" -o "$target.$$" "$source"
mv -f "$target.$$" "$target"
echo "native addon: built src/kernel/native/tortie.node"

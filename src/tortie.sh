#!/bin/sh
# The commands `tortie`, `tortiectl` and `kubectl tortie`: src/tortie.ts on the Node.js this project pins, whatever the machine has.
set -eu
here=$(dirname -- "$(readlink -f -- "$0")")
node=$here/../node_modules/.bin/node
[ -x "$node" ] || node=node

# What was stripped of its types and compiled once is kept, beside the code, where only who may change the code may write;
# if that cannot be written, nothing is kept. Measured: `tortie bgp` is up in 100 ms instead of 230, with 87 MB instead of 116.
: "${NODE_COMPILE_CACHE=$here/../node_modules/.cache/tortie}"
export NODE_COMPILE_CACHE

# A speaker is busy for a second and then idle for hours, so the heap grows slowly and gives back early; but not so slowly that it is
# collected all the time, as V8 begins 10 to 15 MB before its limit (20 to 25 when this was measured). Measured with changes at 10,000 a second, medians of four in turn: p99 0.76
# and 0.64 ms with 100 % instead of 2.5 with 60; with a million routes 195 MB instead of 190. The young generation is
# large enough that what a burst makes dies there. Measured with a million routes, medians of three in turn: 195 MB instead of 212
# with 16 MB, for the same CPU time (in other runs 192 to 206, by how soon the threads that collect and compile get a processor); of
# changes at 10,000 a second that is the same too (20 and 22 us a change). With 4 MB it is 4 MB less than with 8, for a quarter more
# CPU time.
# While a table comes in messages wait, and V8 would conclude that all messages live long, and make them in the old generation from
# then on. Measured with changes at 10,000 a second: what outlives a collection is 0.4 MB instead of 1.2 to 2.4, and it takes 2 ms
# instead of 8; a load of 500,000 routes takes 1.6 s of CPU time instead of 2.0. With so little to keep, threads that help with it cost
# more than they save, and the loop waits for one that has no processor: 2.2 s instead of 2.4 on a busy machine, for the same memory.
# What a rehearsal leaves behind is collected when it ends (bgp/main.ts), and not in the middle of the first table: a million routes in
# 190 to 194 MB instead of 197.
speaker='--expose-gc --max-semi-space-size=8 --heap-growing-percent=100 --no-allocation-site-pretenuring --no-parallel-scavenge'
# A node agent is as busy for as short a time, and there is less hurry. Measured with 100,000 pods and 10,000 policies of an API
# server: 242 MB instead of 304 for an eighth more CPU time; and the slowest hundredth of what changes at a pod of the node 12 ms instead
# of 31 with the last two. The benches and the image take both lines from here.
agent='--max-semi-space-size=8 --heap-growing-percent=30 --no-allocation-site-pretenuring --no-parallel-scavenge'

case $(basename -- "$0") in
tortiectl*) set -- ctl "$@" ;;
kubectl-tortie*)
  export TORTIECTL_NAME='kubectl tortie'
  set -- ctl "$@"
  ;;
esac
# The tables of a speaker are arrays of megabytes with room ahead of what they hold, of which the kernel gives no page before it is
# written to: so they are mapped each by itself, and what is outgrown goes back once it is collected, instead of being kept for later by glibc,
# which by itself moves that limit up to 32 MiB; and the threads that compile and collect share one arena. Measured with 500,000
# routes, medians of three in turn: 179 MB instead of 198, for the same CPU time. What a node agent hears and writes is smaller: with
# 5,000 nodes 244 MB instead of 269, likewise. The bench takes the line from here.
# Not in pages of 2 MiB: a fresh one is cleared in 5 to 9 ms where a machine has its memory from another, and the loop waits for it. Measured
# in turn, medians of three, without such pages and with: p99 of changes at 10,000 a second 0.49 and 0.78 ms, 100,000 routes into the kernel
# in 1.04 and 1.26 s, a million in 1.24 and 1.58 s and 191 and 205 MB; ten neighbours in 1.63 and 1.45 s. Who has a machine of his own may
# try GLIBC_TUNABLES=glibc.malloc.hugetlb=1 in the environment.
speakermap=1048576
agentmap=131072
case ${1-} in
bgp) map=$speakermap ;;
felix) map=$agentmap ;;
esac
if [ -n "${map-}" ]; then
  : "${MALLOC_ARENA_MAX=1}" "${MALLOC_MMAP_THRESHOLD_=$map}"
  export MALLOC_ARENA_MAX MALLOC_MMAP_THRESHOLD_
fi

case ${1-} in
bgp) exec "$node" $speaker "$here/tortie.ts" "$@" ;;
felix) exec "$node" $agent "$here/tortie.ts" "$@" ;;
*) exec "$node" "$here/tortie.ts" "$@" ;;
esac

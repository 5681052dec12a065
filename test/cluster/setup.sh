#!/bin/sh
# What the suites against a real API server need beside deploy/setup.sh: the server itself, as the lab finds or builds it.
set -eu
cd "$(dirname "$0")/../.."
SCRIPT=test/cluster sh src/lab/api/setup.sh

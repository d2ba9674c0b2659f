#!/usr/bin/env bash
# Runs `go test` with the arguments given. If packages fail, it runs the same once
# more: what passed comes from the cache, so a package that failed runs by itself.
# What passes only then is named: it is a defect, of the test or of Gori, that
# shows on a busy machine. A data race, a panic or what does not build is never
# tried again.
set -euo pipefail
log=$(mktemp)
trap 'rm -f "$log"' EXIT
go test "$@" 2>&1 | tee "$log" && exit 0
if grep -qE 'WARNING: DATA RACE|^panic: |\[(build|setup) failed\]' "$log"; then exit 1; fi
unsteady=$(sed -nE 's/^--- FAIL: ([^ ]+).*/\1/p' "$log" | sort -u | tr '\n' ' ')
echo "UNSTEADY: ${unsteady:-(no test said which)}failed beside others; once more, by themselves:"
go test "$@"

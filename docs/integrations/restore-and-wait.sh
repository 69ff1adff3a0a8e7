#!/bin/sh
# Start the restore that the file $1 asks for, and wait for its end.
#
# APP   https://<name>.azurewebsites.net
# KEY   a function key; it is in no argument and in no URL
# ONCE  the same word gives the same restore: the id of a run, of an incident
# WAIT  seconds between two looks, 15 by default
#
# Exit code 0: succeeded, perhaps with warnings. 1: it ended otherwise. Any other: curl's own, such as
# 22 where it was refused; the answer is shown.
set -eu
: "${1:?a file with the request}" "${APP:?}" "${KEY:?}" "${ONCE:?}"
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

call() { # the answer's body goes to a file
  printf 'header = "x-functions-key: %s"\n' "$KEY" |
    curl --silent --show-error --fail-with-body --retry 5 --config - \
      --dump-header "$folder/headers" --output "$folder/body" --write-out '%{http_code}' "$@" ||
    { code=$?; cat "$folder/body" >&2; exit "$code"; }
}

call --header 'Content-Type: application/json' --header "Idempotency-Key: $ONCE" \
  --data-binary "@$1" "$APP/api/restores" >"$folder/code"
operation=$(tr -d '\r' <"$folder/headers" | sed -n 's/^[Oo]peration-[Ll]ocation: *//p')
echo "started: $operation"

call "$operation" >"$folder/code"
while [ "$(cat "$folder/code")" = 202 ]; do
  sleep "${WAIT:-15}"
  call "$operation" >"$folder/code"
done
cat "$folder/body"
echo
grep -q '"status": *"Succeeded"' "$folder/body"

#!/bin/sh
# Listens with curl alone: curl.sh URL. When a stream ends it waits a second and goes on behind the last event it has
# told. An event is told, as a line of JSON, at the empty line that ends it: one that was cut short is none.
last=$(mktemp)
trap 'rm -f "$last"' EXIT
while :; do
  curl --silent --no-buffer --header "Accept: text/event-stream" --header "Last-Event-ID: $(cat "$last")" "$1" |
    while IFS= read -r line; do
      case $line in
        "event: "*) event=${line#event: } ;;
        "data: "*) data=$data${line#data: } ;;
        "id: "*) id=${line#id: } ;;
        "")
          [ -z "$data" ] || printf '{"event":"%s","id":"%s","data":%s}\n' "$event" "$id" "$data"
          [ -z "$id" ] || printf '%s' "$id" >"$last"
          event= data= ;;
      esac
    done
  sleep 1
done

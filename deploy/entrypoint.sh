#!/bin/sh
# Every secret that is mounted becomes the variable of its name; then the command takes this
# process's place. An empty secret is one that is not used.
set -eu
for file in /run/secrets/*; do
    if [ -f "$file" ] && [ -s "$file" ]; then
        value=$(cat "$file")
        export "$(basename "$file")=$value"
    fi
done
exec "$@"

#!/bin/sh
# Export each mounted secret as the variable of its name, then replace this process by the command.
# Empty secrets are ignored.
set -eu
for file in /run/secrets/*; do
    if [ -f "$file" ] && [ -s "$file" ]; then
        value=$(cat "$file")
        export "$(basename "$file")=$value"
    fi
done
exec "$@"

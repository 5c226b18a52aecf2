#!/bin/sh
# Print the first Python on the PATH that Penstock runs on (3.11 to 3.13); nothing when there is none.
for name in python3 python3.13 python3.12 python3.11; do
	if "$name" -c 'import sys; raise SystemExit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null; then
		echo "$name"
		exit 0
	fi
done

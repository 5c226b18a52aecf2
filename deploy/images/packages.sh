#!/bin/sh
# usage: packages.sh NAME FOLDER [BASE]   Install requirements/NAME.txt into FOLDER, without what BASE has.
# There is one resolution for all images, so what both have is the same; if it weren't, this fails.
set -eu
name=$1 folder=$2 base=${3:-}

pip install --quiet --no-compile --no-deps --require-hashes --only-binary :all: \
	--target "$folder" -r "requirements/$name.txt"

# What is only there for those who run, build or test the packages by hand.
rm -rf "$folder"/bin "$folder"/pyarrow/include "$folder"/pyarrow/src
# A part of Arrow that nothing here imports, 33 MB; the Dockerfile tries what is left.
rm -f "$folder"/pyarrow/*flight*.so*
find "$folder" -type d \( -name tests -o -name test \) \
	\( -path '*/pandas/*' -o -path '*/numpy/*' -o -path '*/pyarrow/*' -o -path '*/greenlet/*' \) -prune \
	-exec rm -rf {} +
find "$folder" -type f \( -name '*.pyx' -o -name '*.pxd' -o -name '*.pxi' -o -name '*.c' -o -name '*.h' \
	-o -name '*.hpp' -o -name '*.cpp' -o -name '*.a' \) -delete

if [ -n "$base" ]; then
	for installed in "$base"/*; do
		both=$folder/$(basename "$installed")
		[ -e "$both" ] || continue
		case $both in
		*.dist-info | */__pycache__) ;; # these say when and how, too
		*) diff --recursive --brief --exclude=__pycache__ "$installed" "$both" ;;
		esac
		rm -rf "$both"
	done
fi

python -m compileall -q "$folder"

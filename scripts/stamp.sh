# shellcheck shell=bash
# A folder of what was downloaded is stamped with its pins and with the sizes of its files, so that
# what is missing or cut short is seen. To be sourced.

# The paths below a folder with their sizes; a link counts by its target.
sizes() {
    (cd "$1" && find -L . -type f ! -name pins.txt ! -name files.txt -printf '%s %p\n' | LC_ALL=C sort)
}

# stamp PINS FOLDER: all of the folder came with these pins.
stamp() {
    local list
    list=$(sizes "$2")
    echo "$list" >"$2/files.txt"
    cp "$1" "$2/pins.txt"
}

# is_whole PINS FOLDER: it has these pins and every file that came with them. More may lie beside them.
is_whole() {
    local missing
    cmp -s "$1" "$2/pins.txt" && [ -s "$2/files.txt" ] || return 1
    missing=$(LC_ALL=C comm -23 "$2/files.txt" <(sizes "$2"))
    [ -z "$missing" ]
}

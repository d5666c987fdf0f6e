#!/bin/sh
# Downloads the evaluation text that perplexities are usually given for: the test split of wikitext-2-raw. See --help.
#
# The text is what counts: whatever a mirror sends is unpacked and checked before it gets its name. Needs curl, gzip and a program for
# SHA-256; where a mirror has a zip file, also something that unpacks it.
set -eu

name=wiki.test.raw
wanted=173c87a53759e0201f33e0ccf978e510c2042d7f2cb78229d9a50d79b9e7dd08
mirrors='
https://huggingface.co/datasets/ikawrakow/validation-datasets-for-llama.cpp/resolve/main/wiki.test.raw.gz
https://huggingface.co/datasets/ggml-org/ci/resolve/main/wikitext-2-raw-v1.zip
'
most_attempts=5

show_help() {
  cat <<END
Usage: get-wikitext-2.sh [--mirror URL] [--force] [FILE or FOLDER]

Downloads $name of wikitext-2-raw-v1 (1.3 MB of English Wikipedia, CC BY-SA 3.0 and GFDL), the text that llama.cpp's
own script fetches, checks its SHA-256 and puts it where you say, else into the current folder. Folders are made.

  -m, --mirror URL   take it from there: the text itself, gzipped, or in a zip file; file:///PATH is an address too.
                     Else \$WIKITEXT_2_MIRROR, else the addresses that are built in, one after the other
  -f, --force        replace a file of that name that is something else
  -h, --help         this text

After an interruption run it again: it goes on where the download broke off (FILE.*.part). A file that is there already
is checked and kept. Exit codes: 0 the text is there, 1 it is not, 2 wrong usage.

SHA-256 of the text: $wanted
END
}

say() { echo "get-wikitext-2: $*" >&2; }
fail() { say "$*"; exit 1; }
misused() { say "$*; see --help"; exit 2; }
have() { command -v "$1" >/dev/null 2>&1; }

sha256_of() {
  if have sha256sum; then sha256sum <"$1"
  elif have shasum; then shasum -a 256 <"$1"
  else openssl dgst -sha256 -r <"$1"
  fi | cut -d ' ' -f 1
}

require_programs() {
  for program in curl gzip od cksum; do
    have $program || fail "found no program '$program', wanted it to download the text"
  done
  have sha256sum || have shasum || have openssl ||
    fail "found no program for SHA-256, wanted sha256sum, shasum or openssl"
}

# What a file is, from its first bytes: mirrors name their files as they like.
kind_of() {
  case $(od -An -tx1 -N4 <"$1" | tr -d ' \n') in
    1f8b*) echo gzip ;;
    504b0304) echo zip ;;
    *) echo text ;;
  esac
}

unpack_zip() {
  if have unzip; then unzip -p "$1" "*$name"
  elif have bsdtar; then bsdtar -xOf "$1" "*$name"
  else
    python3 -c 'import shutil, sys, zipfile
archive = zipfile.ZipFile(sys.argv[1])
entry = [found for found in archive.namelist() if found.endswith(sys.argv[2])][0]
shutil.copyfileobj(archive.open(entry), sys.stdout.buffer)' "$1" "$name"
  fi
}

require_unzip() {
  have unzip || have bsdtar || have python3 || fail "the mirror has a zip file, and no program here unpacks it: \
install unzip, or name a mirror that has the text itself with --mirror"
}

# The text out of the download $1, into $temporary.
unpack() {
  case $(kind_of "$1") in
    gzip) gzip -dc <"$1" >"$temporary" ;;
    zip) unpack_zip "$1" >"$temporary" ;;
    text) cp "$1" "$temporary" ;;
  esac
}

# Whether the download $1 holds the text, which is in $temporary then. Else $found says what it holds.
holds_text() {
  if problem=$(unpack "$1" 2>&1); then
    found="SHA-256 $(sha256_of "$temporary")"
    [ "$found" = "SHA-256 $wanted" ]
  else
    found="what cannot be unpacked ($(echo "$problem" | tail -n 1))"
    return 1
  fi
}

# Downloads $1 to $2, going on from what is there. Returns 1, and says why, where that comes to no end.
download() {
  if [ -t 2 ]; then meter=--progress-bar; else meter=--silent; fi
  attempt=1
  while :; do
    code=0
    status=$(curl --fail --location "$meter" --show-error --connect-timeout 30 --speed-limit 1 --speed-time 60 \
      --continue-at - --output "$2" --write-out '%{http_code}' "$1") || code=$?
    case $code:$status in
      0:*) return 0 ;;
      33:* | 36:*) # a server that cannot go on somewhere
        [ -e "$2" ] || return 1
        say "$1: cannot go on where the download broke off, starting again"
        rm -f "$2"
        ;;
      18:* | 28:* | 52:* | 56:* | 92:*) ;; # cut off, or silent for too long: what came is kept
      22:416) return 0 ;; # all of it is there, or more: its content decides
      22:*) say "$1: found HTTP status $status, wanted the file"; return 1 ;;
      23:*) fail "$2: cannot be written" ;;
      *) say "$1: cannot be downloaded (exit code $code of curl)"; return 1 ;;
    esac
    if [ $attempt -eq $most_attempts ]; then
      say "$1: broke off $attempt times; run this again to go on from there"
      return 1
    fi
    attempt=$((attempt + 1))
  done
}

# Fetches the text from $1 into $temporary. Returns 1, and says why, where it cannot be had.
fetch() {
  part=$target.$(printf %s "$1" | cksum | cut -d ' ' -f 1).part # each address has its own
  was_there=no
  if [ -e "$part" ]; then was_there=yes; fi
  while :; do
    if [ $was_there = no ] || ! holds_text "$part"; then download "$1" "$part" || return 1; fi
    if [ "$(kind_of "$part")" = zip ]; then require_unzip; fi
    if holds_text "$part"; then
      rm -f "$part"
      return 0
    fi
    rm -f "$part"
    say "$1: found $found, wanted SHA-256 $wanted; removed"
    # What was there may have been of another file.
    if [ $was_there = no ]; then return 1; fi
    say "starting again, since part of that was from an earlier run"
    was_there=no
  done
}

mirror=${WIKITEXT_2_MIRROR:-}
force=no
target=
while [ $# -gt 0 ]; do
  case $1 in
    -h | --help) show_help; exit 0 ;;
    -f | --force) force=yes ;;
    -m | --mirror)
      if [ $# -lt 2 ] || [ -z "$2" ]; then misused "$1 wants an address"; fi
      mirror=$2
      shift
      ;;
    -*) misused "found the option '$1', wanted --mirror, --force or --help" ;;
    *)
      [ -z "$target" ] || misused "found a second place '$1', wanted one"
      [ -n "$1" ] || misused "found an empty name, wanted a file or a folder"
      target=$1
      ;;
  esac
  shift
done
target=${target:-$name}
case $target in */) target=$target$name ;; esac
if [ -d "$target" ]; then target=$target/$name; fi

require_programs
if [ -e "$target" ]; then
  [ -f "$target" ] || fail "$target: found something that is no regular file, wanted a place for the text"
  found=$(sha256_of "$target")
  if [ "$found" = $wanted ]; then
    say "$target: is there already, and its SHA-256 is right"
    exit 0
  fi
  [ $force = yes ] || fail "$target: is there already with SHA-256 $found, wanted $wanted; --force replaces it"
fi
mkdir -p "$(dirname "$target")"

temporary=$target.$$.tmp
trap 'rm -f "$temporary"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
for address in ${mirror:-$mirrors}; do
  say "downloading $address"
  if fetch "$address"; then
    mv -f "$temporary" "$target"
    say "$target: $(wc -c <"$target" | tr -d ' ') bytes, SHA-256 as it should be"
    exit 0
  fi
done
fail "$target: the text could not be had; --mirror URL names another place to take it from"

#!/usr/bin/env bash
# A machine with nothing on it: a bare Debian 12 in a folder (debootstrap, minbase), the committed
# tree cloned to /narrow, and ./quickstart and ./check run there. Prints how long each took; the exit
# status is 0 when all passed. Needs root, debootstrap and git, some 15 GB of disk, and about the
# time that both take on an empty machine.
#   tools/fresh_machine.sh [OPTIONS] [SCRATCH]    SCRATCH: where the machine is made; default $TMPDIR or /var/tmp
#     --quickstart, --check, --command 'COMMAND'  what to run instead, in this order, any number of them
#     --packages                                  instead: what lies in dist/, as a new user installs it: the wheel
#                                                 where there is nothing but Python, then the Debian package
#     --keep                                      do not remove the machine at the end
#     --cache DIR                                 packages fetched by one run serve the next
# How this machine reaches the package archives is carried over: apt's sources of Debian 12 and its
# settings for fetching, pip's configuration, proxies and certificates. Logs: build/fresh_machine.
set -uo pipefail
umask 022

suite=bookworm

usage() {
  sed -n 's/^#   \(tools.*\)/usage: \1/p; s/^#     \(--.*\)/  \1/p' "$0" >&2
  exit 2
}

fail() {
  echo "fresh_machine: $*" >&2
  exit 2
}

# --- within the machine's own namespaces -------------------------------------------------------

# "URI RELEASE" of each of this machine's own sources of Debian 12.
sources_of_host() {
  apt-get indextargets --format '$(REPO_URI) $(RELEASE) $(COMPONENT)' 'Created-By: Packages' \
    2>/dev/null | awk -v suite="$suite" '$3 == "main" && $2 ~ "^" suite "(-updates|-security)?$" {
      print $1, $2 }' | sort -u
}

# Makes the bare system. Without a source of this machine, debootstrap knows where Debian is.
make_debian() {
  local mirror include=() cached=() proxy=
  mirror=$(sources_of_host | awk -v suite="$suite" '$2 == suite {print $1; exit}')
  if sources_of_host | grep -q '^https'; then include=(--include=ca-certificates); fi
  if [ -n "$cache" ]; then cached=("--cache-dir=$cache/archives"); fi
  eval "$(apt-config shell proxy Acquire::http::Proxy 2>/dev/null)"
  if [ -n "$proxy" ] && [ "$proxy" != DIRECT ]; then export http_proxy=${http_proxy:-$proxy}; fi
  debootstrap --variant=minbase "${include[@]}" "${cached[@]}" "$suite" "$root" ${mirror:+"$mirror"}
}

# Copies a file or what lies in a folder to the same place in the machine.
carry() {
  [ -e "$1" ] || return 0
  mkdir -p "$root$(dirname "$1")"
  cp -RL --no-target-directory "$1" "$root$1"
}

# What a container gets from its host: names of hosts, and the way to the packages.
carry_settings() {
  local file
  carry /etc/resolv.conf
  carry /etc/hosts
  carry /usr/local/share/ca-certificates
  for file in /etc/pip.conf "$HOME/.config/pip/pip.conf" "$HOME/.pip/pip.conf"; do
    carry "$file"
  done
  if [ -n "$(sources_of_host)" ]; then
    sources_of_host | sed 's/^/deb /; s/$/ main/' >"$root/etc/apt/sources.list"
  fi
  apt-config dump 2>/dev/null | grep '^Acquire::' |
    grep -v -e '^Acquire::IndexTargets' -e '^Acquire::cdrom' -e '^Acquire::Changelogs' >"$root/etc/apt/apt.conf.d/90host"
  if [ -n "$cache" ]; then
    mkdir -p "$root$HOME/.cache/pip"
    mount --bind "$cache/archives" "$root/var/cache/apt/archives" &&
      mount --bind "$cache/pip" "$root$HOME/.cache/pip"
  fi
}

# Variables about proxies, pip and certificates, as NAME=VALUE; files that they name come along.
carry_environment() {
  local name
  carried=()
  for name in $(compgen -e | grep -Ei '^((http|https|ftp|all|no)_proxy|PIP_[A-Z_]+|SSL_CERT_(FILE|DIR)|REQUESTS_CA_BUNDLE|CURL_CA_BUNDLE)$'); do
    # Debian's own certificates come with its package, which adds those carried above.
    case ${!name} in
      /etc/ssl/*) ;;
      /*) [ -e "${!name}" ] && carry "${!name}" || continue ;;
    esac
    carried+=("$name=${!name}")
  done
}

# /proc, /sys and /dev as containers have them.
mount_system() {
  local node
  mount -t proc proc "$root/proc" &&
    mount -t sysfs -o ro sysfs "$root/sys" &&
    mount -t tmpfs -o mode=755 tmpfs "$root/dev" || return
  for node in null zero full random urandom tty; do
    touch "$root/dev/$node" && mount --bind "/dev/$node" "$root/dev/$node" || return
  done
  mkdir "$root/dev/pts" "$root/dev/shm"
  ln -s /proc/self/fd "$root/dev/fd"
  ln -s /proc/self/fd/0 "$root/dev/stdin"
  ln -s /proc/self/fd/1 "$root/dev/stdout"
  ln -s /proc/self/fd/2 "$root/dev/stderr"
  ln -s pts/ptmx "$root/dev/ptmx"
  mount -t devpts -o newinstance,ptmxmode=0666,mode=620 devpts "$root/dev/pts" &&
    mount -t tmpfs -o mode=1777,size=64m tmpfs "$root/dev/shm"
}

prepare_machine() {
  make_debian && carry_settings && mount_system && mkdir -p "$root$HOME" &&
    mv "$machine/narrow" "$root/narrow"
}

# In the machine, with the environment of a fresh container. The home has the name of this user's,
# since carried settings of pip are there.
run_in_machine() {
  chroot "$root" env -i HOME="$HOME" TERM=dumb \
    PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "${carried[@]}" \
    bash -c "cd /narrow && $1" </dev/null
}

# step NAME COMMAND...: runs it, with its output in a log too, and notes the result.
step() {
  local name=$1 start=$SECONDS result=passed
  shift
  "$@" 2>&1 | tee "$logs/step-${#summary[@]}.log"
  if [ "${PIPESTATUS[0]}" -ne 0 ]; then
    result=FAILED
    failed=$((failed + 1))
  fi
  summary+=("$(printf '%-34s %-7s %5d s' "$name" "$result" $((SECONDS - start)))")
  [ "$result" = passed ]
}

inside() {
  local command
  summary=()
  failed=0
  echo "== a bare Debian 12 in $root"
  if step 'bare Debian 12' prepare_machine >/dev/null; then
    carry_environment
    for command in "$@"; do
      echo "== $command"
      step "$command" run_in_machine "$command"
      cp -R "$root/narrow/build/check-logs" "$logs/" 2>/dev/null
    done
  else
    tail -n 30 "$logs/step-0.log"
  fi
  printf '\n%-34s %-7s %7s\n' "commit $commit" result time
  printf '%s\n' "${summary[@]}"
  printf '%d failed; logs: %s\n' "$failed" "$logs"
  [ "$failed" -eq 0 ]
}

# What a new user does with the packages, a step each.
try_packages=(
  'apt-get update -q && apt-get install -y -q --no-install-recommends python3-venv'
  'tools/test_wheel.sh'
  'apt-get install -y -q --no-install-recommends ./dist/narrow_*.deb'
  'cd / && narrow init lenet --classes 10 -o /tmp/lenet && narrow sweep /tmp/lenet --bits 2..8'
  'dpkg -L narrow | grep -e completions -e narrow.fish && quantizer --help >/dev/null'
)

# --- outside -----------------------------------------------------------------------------------

# Every mount is in a namespace that is gone by now; should one be seen all the same, nothing is
# removed, for it would be removed through the mount.
remove_machine() {
  [ -n "$child" ] && kill -KILL "$child" 2>/dev/null && wait "$child" 2>/dev/null
  if [ "$keep" = yes ]; then
    echo "kept: $machine"
  elif grep -qF " $machine/" /proc/self/mountinfo; then
    echo "something is mounted below $machine, which is therefore not removed" >&2
  else
    rm -rf --one-file-system "$machine"
  fi
}

main() {
  local commands=() scratch=
  keep=no
  packages=no
  cache=
  child=
  while [ $# -gt 0 ]; do
    case $1 in
      --quickstart) commands+=(./quickstart) ;;
      --check) commands+=(./check) ;;
      --command) [ $# -ge 2 ] || usage; commands+=("$2"); shift ;;
      --packages) packages=yes commands+=("${try_packages[@]}") ;;
      --cache) [ $# -ge 2 ] || usage; cache=$2; shift ;;
      --keep) keep=yes ;;
      -*) usage ;;
      *) [ -z "$scratch" ] || usage; scratch=$1 ;;
    esac
    shift
  done
  [ ${#commands[@]} -gt 0 ] || commands=(./quickstart ./check)
  [ "$(id -u)" -eq 0 ] || fail "only root can make a machine; run it with sudo"
  [ -n "${HOME:-}" ] || fail "HOME is not set"
  for tool in debootstrap git unshare chroot apt-config; do
    command -v "$tool" >/dev/null || fail "$tool is missing"
  done

  scratch=${scratch:-${TMPDIR:-/var/tmp}}
  mkdir -p "$scratch" && scratch=$(realpath "$scratch") || fail "cannot make $scratch"
  case $scratch in *[[:space:]]*) fail "debootstrap needs a path without blanks, not $scratch" ;; esac
  if [ -n "$cache" ]; then
    mkdir -p "$cache/archives/partial" "$cache/pip" && cache=$(realpath "$cache") || exit 2
  fi
  local source
  source=$(realpath "$(dirname "$0")/..")
  logs=$source/build/fresh_machine
  rm -rf "$logs" && mkdir -p "$logs" || exit 2
  machine=$(mktemp -d "$scratch/fresh-machine-XXXXXX") || exit 2
  root=$machine/root
  trap remove_machine EXIT
  trap 'exit 130' INT TERM HUP

  commit=$(git -C "$source" rev-parse --short HEAD) || exit 2
  git -C "$source" diff --quiet HEAD || echo "note: what is not committed is not tried"
  git -c advice.detachedHead=false clone -q --no-local "$source" "$machine/narrow" || exit 2
  if [ "$packages" = yes ]; then
    mkdir "$machine/narrow/dist"
    cp "$source"/dist/{narrow_quant-*.whl,narrow_*.deb} "$machine/narrow/dist/" || fail \
      "dist/ needs a wheel and a Debian package: tools/build_wheel.sh and tools/build_deb.sh make them"
  fi

  # Namespaces of its own: whatever happens, no mount and no process is left over.
  export suite machine root cache logs commit
  export -f inside step run_in_machine prepare_machine mount_system carry_environment \
    carry_settings carry make_debian sources_of_host
  unshare --mount --pid --fork --kill-child --mount-proc bash -c 'set -uo pipefail; inside "$@"' \
    inside "${commands[@]}" </dev/null &
  child=$!
  wait "$child"
  local status=$?
  child=
  exit "$status"
}

main "$@"

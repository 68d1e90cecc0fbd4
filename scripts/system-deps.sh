#!/usr/bin/env bash
# Installs what `npm run test:system` needs and this machine lacks. Quick when all is there; needs root otherwise.
# Written for Debian 12 and its relatives (apt), with cargo for the reference tool.
set -euo pipefail

reference_version=0.9.4
install_root=/usr/local

# command:package
needed=(
  skopeo:skopeo buildah:buildah umoci:umoci podman:podman crun:crun ostree:ostree
  mkfs.erofs:erofs-utils mkfs.xfs:xfsprogs mkfs.ext4:e2fsprogs mkfs.btrfs:btrfs-progs losetup:mount flock:util-linux
  docker-registry:docker-registry openssl:openssl
  tar:tar gzip:gzip zstd:zstd getfattr:attr setcap:libcap2-bin time:time cc:gcc
  qemu-system-x86_64:qemu-system-x86 busybox:busybox-static newuidmap:uidmap python3:python3-minimal
)
# The fault tests compile a shim.
headers=(/usr/include/stdio.h:libc6-dev)
# C libraries that Sluice loads at run time when they are there.
libraries=(libisal.so.2:libisal2 libdeflate.so.0:libdeflate0 libIPSec_MB.so.1:libipsec-mb1 libzstd.so.1:libzstd1 liblzma.so.5:liblzma5)
# What building the reference tool takes.
build_packages=(gcc g++ make cmake pkg-config libssl-dev zlib1g-dev liblzma-dev libzstd-dev)

export PATH="$PATH:/usr/sbin:/sbin:$install_root/bin:$HOME/.cargo/bin"
export DEBIAN_FRONTEND=noninteractive

missing_packages() {
  local entry known
  for entry in "${needed[@]}"; do
    # `type -P`: `time` is also a word of the shell
    type -P "${entry%%:*}" >/dev/null || echo "${entry#*:}"
  done
  for entry in "${headers[@]}"; do
    [[ -e ${entry%%:*} ]] || echo "${entry#*:}"
  done
  known=$(ldconfig -p)
  for entry in "${libraries[@]}"; do
    [[ $known == *"${entry%%:*} "* ]] || echo "${entry#*:}"
  done
}

reference_is_there() {
  [[ $(cfsctl --version 2>/dev/null) == "cfsctl $reference_version" ]]
}

missing_build_packages() {
  local package
  for package in "${build_packages[@]}"; do
    dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed || echo "$package"
  done
}

# Runs a command up to three times: package mirrors have bad moments.
persistently() {
  local try
  for try in 1 2 3; do
    "$@" && return 0
    echo "try $try failed: $*" >&2
    sleep $((try * 5))
  done
  return 1
}

apt_install() {
  persistently apt-get update -q
  persistently apt-get install -q -y --no-install-recommends "$@"
}

mapfile -t packages < <(missing_packages)
if ! reference_is_there; then mapfile -t -O "${#packages[@]}" packages < <(missing_build_packages); fi

if [[ ${#packages[@]} -gt 0 || $(reference_is_there && echo yes) != yes ]] && [[ $(id -u) != 0 ]]; then
  echo "Some system tests will be skipped: run scripts/system-deps.sh as root to install ${packages[*]-} (and cfsctl, if missing)." >&2
  exit 1
fi
if [[ ${#packages[@]} -gt 0 ]]; then apt_install "${packages[@]}"; fi

if ! reference_is_there; then
  if ! type -P cargo >/dev/null; then
    echo "cargo is missing: install a current Rust tool chain, then run this script again." >&2
    exit 1
  fi
  echo "Building cfsctl $reference_version: some 15 minutes on two cores."
  persistently cargo install composefs-ctl --version "$reference_version" --locked --root "$install_root"
fi
echo "System test tools are there; $(cfsctl --version)."

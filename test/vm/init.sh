#!/bin/busybox sh
# The first program of the test's virtual machine: modules, disks, then the agent in the root disk. What fails is on the console.
set -e
fail() { echo "init: $1 failed"; /bin/busybox poweroff -f; }
b=/bin/busybox
$b mkdir -p /proc /disk
$b mount -t proc proc /proc || fail 'mount of /proc'
for module in $($b cat /modules/order); do
  $b insmod "/modules/$module" || fail "insmod $module"
done
$b mount -t devtmpfs dev /dev || fail 'mount of /dev'
$b mount -t ext4 -o ro /dev/vda /disk || fail 'mount of the root disk'
$b mount -t proc proc /disk/proc || fail 'mount of /proc on the root disk'
$b mount -t sysfs sysfs /disk/sys || fail 'mount of /sys'
$b mount -t devtmpfs dev /disk/dev || fail 'mount of /dev on the root disk'
$b mount -t tmpfs tmpfs /disk/tmp || fail 'mount of /tmp'
# The agent's port appears with its driver, some moments later.
tries=0
until [ -e /dev/vport0p1 ] || [ $tries -ge 100 ]; do $b sleep 0.1; tries=$((tries + 1)); done
export PATH=/usr/bin:/bin HOME=/tmp
exec $b chroot /disk /usr/bin/node /sluice/dist/test/vm/agent.js /dev/vport0p1

#!/bin/bash
# The first process of a machine: makes its file systems, says its pid, and lives until its standard input ends,
# which happens however the test process ends. With it ends everything in the machine.
# $1 names the machine, $2 is "own" or "shared" (its files), $3 the size of its disk, $4 "own" or "host" (its network).
set -eu
# The shell's own redirection, so that /proc/self is this process, in numbers of the outside.
read -r pid _ </proc/self/stat
if [ "$2" = own ]; then
  # A disk of its own over the real one: whatever is written anywhere is written there, and can fill it.
  mount -t tmpfs -o "size=$3,mode=0755" disk /mnt
  mkdir /mnt/upper /mnt/work /mnt/root
  mount -t overlay -o lowerdir=/,upperdir=/mnt/upper,workdir=/mnt/work disk /mnt/root
  cd /mnt/root
  mount --rbind /dev dev
  pivot_root . mnt
  mount -t proc proc /proc
  umount -l /mnt
  # What the kernel has once, such as vm.swappiness, is not this machine's to change.
  mount --bind /proc/sys /proc/sys
  mount --bind /proc/sys/net /proc/sys/net
  mount -o remount,bind,ro /proc/sys
else
  mount -t proc proc /proc
fi
[ "$4" = host ] || mount -t sysfs sysfs /sys
# wg finds its devices in /run, whatever the network namespace.
mount -t tmpfs -o mode=0755 tmpfs /run
hostname "$1"
ip link set lo up
echo "ready $pid"
# Not cat: a shell that reads also reaps the daemons that its children leave to it.
while read -r _; do :; done

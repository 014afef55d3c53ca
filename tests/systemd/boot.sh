#!/bin/sh
# Becomes systemd as the first process of the namespaces that it is started in: its root is this machine's, under a layer in
# memory that ends with it. Nothing is written to this machine. $1: an empty folder; $2: the target that is started.
set -eu
mount --make-rprivate /
mount -t tmpfs tmpfs "$1"
mkdir "$1/upper" "$1/work" "$1/root"
root=$1/root
mount -t overlay overlay -o "lowerdir=/,upperdir=$1/upper,workdir=$1/work" "$root"
mount -t proc proc "$root/proc"
mount -t sysfs -o ro sysfs "$root/sys"
for folder in run tmp dev; do mount -t tmpfs -o mode=0755 tmpfs "$root/$folder"; done
chmod 1777 "$root/tmp"
mkdir "$root/dev/shm" "$root/dev/pts"
mount -t devpts -o newinstance,ptmxmode=0666 devpts "$root/dev/pts"
mount -t tmpfs tmpfs "$root/dev/shm"
for device in null zero full random urandom tty; do cp -a "/dev/$device" "$root/dev/"; done
: > "$root/dev/console"
ln -s pts/ptmx "$root/dev/ptmx"
ln -s /proc/self/fd "$root/dev/fd"
if [ "$(stat -f -c %T /sys/fs/cgroup)" = cgroup2fs ]; then
  mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
else
  mount -t tmpfs tmpfs "$root/sys/fs/cgroup"
  mkdir "$root/sys/fs/cgroup/systemd" "$root/sys/fs/cgroup/memory" "$root/sys/fs/cgroup/unified"
  mount -t cgroup -o none,name=systemd cgroup "$root/sys/fs/cgroup/systemd"
  mount -t cgroup -o memory cgroup "$root/sys/fs/cgroup/memory"
  mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup/unified"
fi
ip link set lo up
# The kernel is this machine's: none of its variables is changed, and none of this machine's own services starts.
mount --bind "$root/proc/sys" "$root/proc/sys"
mount -o remount,bind,ro "$root/proc/sys"
rm -rf "$root"/etc/fstab "$root"/etc/systemd/system/*.wants "$root"/lib/systemd/system/*.wants
printf '%s\n' "[Unit]" "Requires=systemd-journald.service" "AllowIsolate=yes" > "$root/etc/systemd/system/$2"
# Not chroot: in it no service could have users of its own.
cd "$root"
pivot_root . .
umount --lazy .
# Services get what is mounted later, such as their credentials.
mount --make-rshared /
exec env -i container=batchtel PATH=/usr/sbin:/usr/bin:/sbin:/bin \
  /lib/systemd/systemd --system "--unit=$2" --show-status=no --log-target=journal

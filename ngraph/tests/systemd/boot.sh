#!/bin/sh
# Boots systemd on this machine's own files, in namespaces that end with it: what it writes goes to
# memory. Arguments: an empty folder, a new control group's, the agent, deploy/systemd.
set -eu
place=$1 group=$2 agent=$3 deploy=$4
root=$place/root

mount -t tmpfs tmpfs "$place"
mkdir "$place/written" "$place/work" "$root"
mount -t overlay -o "lowerdir=/,upperdir=$place/written,workdir=$place/work" overlay "$root"
mount -t tmpfs tmpfs "$root/run"
mount -t tmpfs tmpfs "$root/tmp"
mount --rbind /dev "$root/dev"

# What the page on systemd takes from the project's folder.
mkdir -p "$root/project/deploy/systemd" "$root/project/target/dist"
mount --bind "$deploy" "$root/project/deploy/systemd"
touch "$root/project/target/dist/ngraph"
mount --bind "$agent" "$root/project/target/dist/ngraph"

# Of the machine's own units nothing is to start but what all services need, so these folders are new
# ones, and systemd looks into no other.
mount -t tmpfs tmpfs "$root/etc/systemd/system"
units=$root/lib/systemd/system
mount -t tmpfs tmpfs "$units"
for unit in sysinit.target basic.target local-fs.target multi-user.target shutdown.target; do
    cp "/lib/systemd/system/$unit" "$units"
done
echo '[Unit]' >"$units/idle.target"

echo $$ >"$group/cgroup.procs"
# In a control group and as a first process of its own; the machine's settings it may read.
exec unshare --cgroup --ipc --uts --pid --fork --kill-child sh -c '
    mount -t proc proc "$1/proc"
    mount --bind "$1/proc/sys" "$1/proc/sys"
    mount -o remount,bind,ro "$1/proc/sys"
    mount -t sysfs -o ro sysfs "$1/sys"
    mount -t cgroup2 cgroup2 "$1/sys/fs/cgroup"
    exec env -i container=ngraph-test SYSTEMD_UNIT_PATH=/etc/systemd/system:/lib/systemd/system PATH="$PATH" \
        chroot "$1" /lib/systemd/systemd --unit=idle.target --log-target=console
' sh "$root"

#!/bin/sh
# Makes a machine of Debian's own packages, with systemd and control groups of version 2, and tries the service in it (guest.py). Its
# kernel is Linux as a program (user-mode-linux): no help of the processor is needed, and what runs in it runs at nearly full speed. Some
# five minutes. As root, on Debian:
#   apt-get install --no-install-recommends mmdebstrap user-mode-linux e2fsprogs
#   npm run build && sh test/hosting/machine.sh [bookworm|trixie] [step …]
# Everything lies in a temporary folder and is removed at the end. Nothing comes from elsewhere than Debian's and npm's registries.
set -eu
suite=${1:-bookworm}
[ $# -eq 0 ] || shift
steps="$*"
here=$(cd "$(dirname "$0")" && pwd)
checkout=$(cd "$here/../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT INT TERM
echo "making a machine of Debian $suite in $work"

# The project as an operator would have it: the packed package, installed by npm.
(cd "$checkout" && npm pack --silent --ignore-scripts --pack-destination "$work") > /dev/null
mkdir -p "$work/root/srv/tried" "$work/project"
cp "$here"/swarm/* "$work/root/srv/tried/"
(cd "$work/root/srv/tried" && cp "$work"/swarmsitter-*.tgz "$work/project/" &&
  echo '{"name":"tried","private":true,"type":"module"}' > package.json &&
  npm install --silent --omit=dev "$work"/project/swarmsitter-*.tgz)

packages=systemd,systemd-sysv,dbus,udev,libpam-systemd,dbus-user-session,passwd,libatomic1,bubblewrap,util-linux,procps,python3,kmod
mmdebstrap --quiet --variant=minbase --include="$packages" "$suite" "$work/debian.tar"
tar -xf "$work/debian.tar" -C "$work/root"
cp "$here/guest.py" "$work/root/root/"
chmod -R go+rX "$work/root/srv"
chown -R root:root "$work/root/srv"
echo '/dev/ubda / ext4 defaults 0 1' > "$work/root/etc/fstab"
echo tried > "$work/root/etc/hostname"
cat > "$work/root/etc/systemd/system/try.service" <<UNIT
[Service]
Type=oneshot
ExecStart=/usr/bin/python3 /root/guest.py $steps
StandardOutput=tty
StandardError=tty
TTYPath=/dev/tty0
TimeoutStartSec=infinity
ExecStopPost=/bin/systemctl poweroff --force
[Install]
WantedBy=multi-user.target
UNIT
mkdir -p "$work/root/etc/systemd/system/multi-user.target.wants"
ln -s ../try.service "$work/root/etc/systemd/system/multi-user.target.wants/try.service"
ln -sf /dev/null "$work/root/etc/systemd/system/getty.target"
mke2fs -q -t ext4 -d "$work/root" "$work/disk.img" 4G
rm -rf "$work/root" "$work/debian.tar" "$work/project"

# Its memory is a file in TMPDIR: on a disk that would be written all the time.
TMPDIR=/dev/shm nice -n 10 linux.uml "ubd0=$work/disk.img" root=/dev/ubda rw mem=3G con=null con0=null,fd:1 quiet systemd.show_status=0 \
  systemd.unified_cgroup_hierarchy=1 umid=sitter-tried "uml_dir=$work/uml" | tee "$work/console"
grep -q 'all of it holds' "$work/console"

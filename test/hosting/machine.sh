#!/bin/sh
# Makes a virtual machine of Debian's own packages, with systemd and control groups of version 2, and tries the service in it
# (guest.py). Emulated when the processor lends nobody its own help: half an hour then. As root, on Debian:
#   apt-get install --no-install-recommends mmdebstrap qemu-system-x86 e2fsprogs
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

packages=systemd,systemd-sysv,dbus,udev,libpam-systemd,dbus-user-session,linux-image-cloud-amd64,libatomic1,bubblewrap,util-linux,procps,python3,kmod
mmdebstrap --quiet --variant=minbase --include="$packages" "$suite" "$work/debian.tar"
tar -xf "$work/debian.tar" -C "$work/root"
cp "$here/guest.py" "$work/root/root/"
chmod -R go+rX "$work/root/srv"
chown -R root:root "$work/root/srv"
echo '/dev/vda / ext4 defaults 0 1' > "$work/root/etc/fstab"
echo tried > "$work/root/etc/hostname"
cat > "$work/root/etc/systemd/system/try.service" <<UNIT
[Service]
Type=oneshot
ExecStart=/usr/bin/python3 /root/guest.py $steps
StandardOutput=tty
StandardError=tty
TTYPath=/dev/ttyS0
ExecStopPost=/bin/systemctl poweroff --force
[Install]
WantedBy=multi-user.target
UNIT
mkdir -p "$work/root/etc/systemd/system/multi-user.target.wants"
ln -s ../try.service "$work/root/etc/systemd/system/multi-user.target.wants/try.service"
ln -sf /dev/null "$work/root/etc/systemd/system/serial-getty@ttyS0.service"
mke2fs -q -t ext4 -d "$work/root" "$work/disk.img" 4G
cp "$work"/root/boot/vmlinuz-* "$work/vmlinuz"
cp "$work"/root/boot/initrd.img-* "$work/initrd"
rm -rf "$work/root" "$work/debian.tar"

# A processor that can lend its help has vmx or svm; a /dev/kvm alone says too little.
accelerator='tcg,tb-size=1024'
[ ! -w /dev/kvm ] || ! grep -qE '\b(vmx|svm)\b' /proc/cpuinfo || accelerator=kvm
nice -n 10 qemu-system-x86_64 -accel "$accelerator" -cpu Nehalem -m 3072 -smp 1 -no-reboot -nographic -monitor none -nic none \
  -kernel "$work/vmlinuz" -initrd "$work/initrd" -append 'root=/dev/vda rw console=ttyS0 mitigations=off quiet systemd.show_status=0' \
  -drive "file=$work/disk.img,if=virtio,format=raw,cache=unsafe" -device virtio-rng-pci | tee "$work/console"
grep -q 'all of it holds' "$work/console"

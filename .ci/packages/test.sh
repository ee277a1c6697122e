#!/usr/bin/env bash
# Goal: the packages install, serve as their unit says, upgrade without losing data, and go as they should. Method: a Debian made by debootstrap
# from the mirrors that this machine uses, in which dpkg, and then rpm, install the package of an older version and this one; the unit's own command
# runs as the unit's user in a network of its own. Each check says what it has seen; the first that fails ends it all. Needs root.
#
#   test.sh FOLDER FOLDER_OF_OLDER_PACKAGES FOLDER_FOR_THE_DEBIAN
set -euo pipefail
new=$1 old=$2 base=$3
arch=$(dpkg --print-architecture)
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT

seen() { echo "ok: $*"; }
fail() { echo "FAILED: $*" >&2; exit 1; }
inside() { DEBIAN_FRONTEND=noninteractive PATH=/usr/sbin:/usr/bin:/sbin:/bin chroot "$root" "$@"; }
one() { local found; found=$(compgen -G "$1") && [ "$(wc -l <<<"$found")" = 1 ] || fail "not one file is $1"; echo "$found"; }

if [ ! -e "$base/.made" ]; then
	read -r mirror suite < <(apt-get indextargets --format '$(REPO_URI) $(CODENAME)' 'Created-By: Packages' 'Component: main' 'Architecture: '"$arch" | head -1)
	rm -rf "$base"
	debootstrap --variant=minbase --include=debconf,passwd,init-system-helpers,systemd "$suite" "$base" "$mirror" >"$base.log" 2>&1 || { tail -5 "$base.log"; fail "debootstrap"; }
	touch "$base/.made"
fi
cp -a "$base/." "$root"
echo '127.0.0.1 localhost' >"$root/etc/hosts" # which an installer writes

# serve runs the unit's command as its user with the unit's environment, and then what is given while that serves.
serve() {
	local unit=$root/usr/lib/systemd/system/quorate.service user command
	user=$(sed -n 's/^User=//p' "$unit")
	command=$(sed -n 's/^ExecStart=//p' "$unit")
	unshare --net bash -euo pipefail -c '
		ip link set lo up
		set -a; . "$1/etc/default/quorate"; '"$(sed -n 's/^Environment=//p' "$unit")"'; set +a
		chroot --userspec="$2:$2" "$1" "$3" >"$1/log" 2>&1 & server=$!
		until chroot "$1" /usr/bin/quorate health >/dev/null 2>&1; do kill -0 $server || { cat "$1/log" >&2; exit 1; }; done
		chroot "$1" bash -ec "$4"
		kill $server; wait $server' serve "$root" "$user" "$command" "$1"
}
value() { [ "$(serve '/usr/bin/quoratectl get greeting --print-value-only')" = "$1" ] || fail "greeting is not $1"; }
data() { [ -n "$(ls "$root/var/lib/quorate")" ] && [ "$(inside stat -c '%U %a' /var/lib/quorate)" = "quorate 700" ]; }

cp "$(one "$old/*_$arch.deb")" "$root/old.deb"
cp "$(one "$new/*_$arch.deb")" "$root/new.deb"
inside dpkg --install /old.deb >/dev/null
before=$(inside dpkg-query --show --showformat '${Version}' quorate)
inside systemd-analyze verify --man=no /usr/lib/systemd/system/quorate.service
[ -L "$root/etc/systemd/system/multi-user.target.wants/quorate.service" ] || fail "the unit is not enabled"
serve '/usr/bin/quoratectl put greeting hello' >/dev/null
data || fail "/var/lib/quorate is not the unit's user's alone"
echo 'QUORATE_MAX_TXN_OPS=77' >>"$root/etc/default/quorate"
seen "deb $before: installed, its unit verified and enabled, its command run as its user"

inside dpkg --install /new.deb >/dev/null
after=$(inside dpkg-query --show --showformat '${Version}' quorate)
dpkg --compare-versions "$before" lt "$after" || fail "$before is not before $after"
grep -q '=77' "$root/etc/default/quorate" || fail "the upgrade lost a setting"
value hello
seen "deb $after: upgraded, settings and data kept"
for file in usr/share/man/man1/quorate.1.gz usr/share/man/man1/quoratectl-put.1.gz usr/share/bash-completion/completions/quoratectl; do
	[ -s "$root/$file" ] || fail "$file is missing"
done
inside bash -nc '. /usr/share/bash-completion/completions/quoratectl'
seen "manual pages and completions are there"

inside dpkg --remove quorate >/dev/null
[ ! -e "$root/usr/bin/quorate" ] && data || fail "removal"
seen "deb removed: the data stays"
inside dpkg --purge quorate >/dev/null 2>&1
[ ! -e "$root/etc/default/quorate" ] && data || fail "purge without an answer"
seen "deb purged without an answer: settings gone, the data stays"
inside dpkg --install /new.deb >/dev/null
value hello
echo 'quorate quorate/delete-data boolean true' | inside debconf-set-selections
inside dpkg --purge quorate >/dev/null
[ ! -e "$root/var/lib/quorate" ] || fail "purge did not delete the data it was told to"
seen "deb purged with the answer yes: the data is gone"

machine=$(uname -m)
rpm() { command rpm --root "$root" --nodeps --noverify --define '_pkgverify_level none' "$@"; }
rpm --install "$(one "$old/*.$machine.rpm")"
serve '/usr/bin/quoratectl put greeting hello' >/dev/null
data || fail "/var/lib/quorate is not the unit's user's alone"
echo 'QUORATE_MAX_TXN_OPS=77' >>"$root/etc/default/quorate"
rpm --upgrade "$(one "$new/*.$machine.rpm")"
grep -q '=77' "$root/etc/default/quorate" || fail "the upgrade lost a setting"
value hello
command rpm --root "$root" --query --list quorate | grep -q quoratectl-put.1 || fail "manual pages"
seen "rpm: $(command rpm --root "$root" --query quorate) upgraded, settings and data kept"
rpm --erase quorate
[ ! -e "$root/usr/bin/quorate" ] && data || fail "erasure"
seen "rpm erased: the data stays"

(cd "$new" && sha256sum --check --quiet SHA256SUMS)
seen "checksums"

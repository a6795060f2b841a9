# Installs the packages named by the arguments. Debian's packages create a cluster and start services; both are held
# back for the time of the installation with the means Debian has for it, which are put back afterwards.
set -e
export DEBIAN_FRONTEND=noninteractive
cluster=/etc/postgresql-common/createcluster.conf
policy=/usr/sbin/policy-rc.d
kept=
made=

restore() {
    [ -z "$kept" ] || mv -f "$kept" "$cluster"
    [ -z "$made" ] || rm -f "$policy"
}
trap restore EXIT
trap 'exit 1' HUP INT TERM

add() {
    apt-get install --yes --no-install-recommends -o DPkg::Lock::Timeout=120 "$@"
}

# An index that is missing or names superseded packages.
ls /var/lib/apt/lists/*_Packages* >/dev/null 2>&1 || apt-get update

if [ ! -e "$policy" ]; then
    made=yes
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
fi

for package in "$@"; do
    case $package in
    postgresql*)
        # Brings the file that says whether a cluster is made.
        add postgresql-common || { apt-get update && add postgresql-common; }
        if [ -e "$cluster" ]; then
            cp -p "$cluster" "$cluster.kept"
            kept=$cluster.kept
            echo 'create_main_cluster = false' >>"$cluster"
        fi
        ;;
    esac
done

add "$@" || { apt-get update && add "$@"; }

for package in "$@"; do
    case $package in
    redis*) update-rc.d "$package" disable >/dev/null 2>&1 || true ;;
    esac
done
